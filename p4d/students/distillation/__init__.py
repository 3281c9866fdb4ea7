"""Perceptual 4D Distillation (paper section 3): decoder, losses, and probes.

`perception` predicts a teacher's latents from visual tokens, `losses` compares latents and maps and
weights the terms, `probes` stores and draws what a student predicts during training. Does not
belong here: the teacher and its heads (`p4d.teachers`), and the loop (`p4d.students.training`).
"""
