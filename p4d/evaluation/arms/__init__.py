"""The arms of the pipeline (SFT, P4D, text-only control) evaluated, compared and promoted.

`compare_arms.py` is the stage `evaluation`: every arm answers the test split, and P4D answers it
once more from first frames alone. `promotion.py` is the stage `champion`: `promotion_rule.py` is
the rule by which the P4D student becomes champion, `error_spending.py` the error rate of each try,
`incumbent.py` the champion that is challenged, `champion_ledger.py` the append-only record and
`general.py` the held-out external rows. Models outside the pipeline are evaluated by
`p4d.evaluation.evaluate`.
"""
