"""The network of a student and everything that is part of its input and output.

Belongs here: families of architectures (`adapters/`), prompts (`chat`, `tokenizer`,
`prompt_settings`), the packed batch (`batch`) and how it is attended to (`attention`), the time
encoding, region tokens, and loading of checkpoints (`student`, `pretrained`). Does not belong here:
anything that reads a pipeline's files (`p4d.students.data`) or computes a loss.
Read `student`, then `adapters/protocol`.
"""
