"""Large projects that are written in bulk, for measurements and tests.

`stages_project.py` has the pipeline's stages with trivial outputs, all fresh;
`questions_project.py` has tables of made-up videos, questions and champions, and
`explored_project.py` adds what the explorer reads. All are files, cache,
dvc.lock and ledger as publishing would leave them.
"""
