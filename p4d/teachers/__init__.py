"""Teachers: networks and truth that write dense labels of clips, and that students learn from.

Read `protocol.py` first: it defines what every teacher receives and returns (`Teacher`,
`LabelArrays`) and what distillation needs (`LatentTeacher`). `registry.py` makes teachers by the
names of params.yaml. One module or package per kind of teacher: `expert4d/` (the network of this
project), `exact.py` (exact truth), `depth_network.py` (depth networks of transformers),
`latent_network.py` (V-JEPA 2, VideoMAE), `l4p/` (the layout of L4P), `flow_dis.py` and
`camera_from_flow.py` (without weights). `weights.py` checks folders and devices. `labelling/` runs
teachers over a shard, keeps the label store and records which teacher counts for what;
`latents_alone.py` stands in for a teacher whose network is not needed any more. `measures.py`
compares labels with truth. docs/teachers.md has a table of all.

"Teacher" is the role; "expert" is the stage and the network Expert4D. Losses that compare a student
with a teacher are in p4d/students/distillation, and sampling of map grids in p4d/geometry.
"""
