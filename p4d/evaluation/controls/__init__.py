"""Controls: readers without video, and what others would do with the same labels.

`features.py` turns questions, options and the outlines of marked regions into named features;
`conditional_logit.py` learns which of them predict the answer. `python -m
benchmarks.questions.leakage` runs both on R4D-World, and `p4d.evaluation.scoring.chance` tests
their accuracy. `text_rows.py` makes the two rows that say what distillation is worth: facts as
text without training, and labels as text in fine-tuning; `measured_facts.py` measures the facts of
a benchmark's videos. The trained text-only arm
(`student_blind`) is not here: it is a student.
"""
