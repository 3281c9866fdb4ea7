"""`p4d init`: a project that depends on the installed package, for a corpus of one's own.

`new_project.py` makes it. `files/` holds what such a project has and this repository has not, or
has in another form: README, Makefile, requirements, CI, the code location. Parameters, settings of
Dagster and DVC and the text on reviews are those of the repository itself. What a project computes
belongs to the stages.
"""
