"""Asks a student questions and keeps its replies.

`ask.py` scores options by likelihood and generates greedy text; `replies.py` holds one reply and
the append-only journal that makes a run resumable; `visuals.py` supplies the frames. The evaluation
stage, `p4d evaluate` and the distillation benchmark all ask through this package, so their numbers
are comparable. Nothing here knows what is correct: that is `p4d.evaluation.scoring`.
"""
