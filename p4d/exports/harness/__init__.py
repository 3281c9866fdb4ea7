"""Tasks for lmms-eval: the held-out questions of a release, and R4D-World.

`task.py` writes a task's folder, `groups.py` forms its exchange groups, and `benchmark.py` writes
the task of a benchmark in R4D-Bench's layout. `lmms_utils.py` is copied into every task as
`utils.py`, so it imports nothing of p4d.
"""
