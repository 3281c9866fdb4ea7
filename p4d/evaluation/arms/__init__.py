"""The arms of the pipeline (SFT, P4D, text-only control) evaluated, compared and promoted.

- `compare_arms.py`: the stage `evaluation`; every arm answers the test split, and P4D answers
  it once more from first frames alone;
- `asked_split.py`: the test split, and how every arm is asked it;
- `promotion.py`: the stage `champion`; `promotion_rule.py` is the rule by which the P4D student
  becomes champion, `error_spending.py` the error rate of each try;
- `incumbent.py`: the champion that is challenged; `asked_again.py`: its answers when questions
  have changed; `champion_ledger.py`: the append-only record;
- `general.py`, `forgetting.py`: scores on held-out external rows, and how far they fell;
- `names.py`: the names of the arms.

The stage `champion` reads tables: torch is imported only if the champion has to answer again.
Models outside the pipeline are evaluated by `p4d.evaluation.evaluate`.
"""
