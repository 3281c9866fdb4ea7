"""What a published checkpoint brings besides its network: how it takes pictures, frames and texts.

`processor_files` reads the settings of its processor, `picture_rule` resizes and scales pictures as
that processor does, `frame_sampling` picks the frames it would pick, `chat_template` lays out its
turns. Everything equals transformers' own processors, number for number, but needs no torchvision.
Does not belong here: networks and their visual tokens (`p4d.students.model.adapters`).
"""
