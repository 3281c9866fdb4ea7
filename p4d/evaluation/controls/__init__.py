"""Readers without video: controls that show what texts and marks alone give away.

`features.py` turns questions, options and the outlines of marked regions into named features;
`conditional_logit.py` learns which of them predict the answer. `python -m
benchmarks.questions.leakage` runs both on R4D-World, and `p4d.evaluation.scoring.chance` tests
their accuracy. The trained text-only arm (`student_blind`) is not here: it is a student.
"""
