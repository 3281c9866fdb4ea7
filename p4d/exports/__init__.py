"""Writes what a project holds in the forms of other tools: `p4d export`.

`training/` writes the questions with clips and pictures for any trainer, `labels/` the labels for
those who distil elsewhere, `harness/` tasks for lmms-eval. `croissant.py` and `openlineage.py`
write standards from their specifications; tests compare them with the official libraries.
`source.py` opens a release, `terms.py` decides what may leave, `destination.py` makes a folder
appear whole and records it. A student is exported by `p4d/students/use`.
"""
