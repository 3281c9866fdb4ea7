"""From files of the pipeline to batches: questions, clips, labels, samples, packing.

Read `questions`, `clip_reader` and `samples`, then `packer`. `targets` reads a teacher's labels,
`unlabelled` finds clips without questions, `conversations` reads published training sets,
`fact_text` writes facts as text for controls. Does not
belong here: networks (`p4d.students.model`) and the division of steps over processes
(`p4d.students.training.steps`).
"""
