"""The state of a project: what artifacts should be made of now, which are fresh, what has to run.

Read `workspace.py` first: a snapshot that compares fingerprints with dvc.lock and the disk.
`inputs.py` checks what a stage is about to read. Nothing here writes an artifact; that is `run/`.
"""
