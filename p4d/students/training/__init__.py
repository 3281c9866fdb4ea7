"""The stages `base_student`, `student_sft`, `student_p4d` and `student_blind`, and their loop.

Read `stages` first, then `distillation_setup`, `run`, `loop`, `trainer` and `arm`. `trainable`
freezes weights and adds LoRA, `steps` divides steps over processes, `checkpoints` makes runs
resumable, on `machines` without a common folder too, `sharded_loading` reads a shared student in
parts, `live` reports runs, `launch` trains outside the pipeline. Does not belong here: losses
(`p4d.students.distillation`) and reading of files (`p4d.students.data`).
"""
