"""What can be done with a trained student: ask it, export it, count its cost.

`ask` and `video_clip` ask about any video, `held_out_example` finds a question to begin with,
`export` writes a folder for transformers, `standalone_inference` is copied into that folder and
must not import p4d, `cost` counts and times.
Does not belong here: scores and comparisons of students (`p4d.evaluation`).
"""
