"""The arms of the pipeline (SFT, P4D, text-only control) evaluated, compared and promoted.

`compare_arms.py` is the stage `evaluation`: every arm answers the test split. `promotion.py` is the
stage `champion`: the rule by which the P4D student becomes champion; `champion_ledger.py` is its
append-only record. Models outside the pipeline are evaluated by `p4d.evaluation.evaluate`.
"""
