"""Asking: from the facts of a shard to multiple-choice questions in balanced exchange groups.

- `stage.py` is the stage `questions`; `compose.py` is its main function. Read them first.
- `families/` holds the 109 kinds of questions and their texts, `option_rules.py` their options.
- `fact_columns.py` and `candidates.py` find every question that the facts can answer.
- `exchange_groups.py` and `number_groups.py` draw the groups that share options; `shares.py`
  selects which groups are asked; `letters.py` deals the letters.
- `question_table.py` writes texts and rows, `refusals.py` counts what is not asked.
- `recompute.py` derives the answer of a stored question from its facts again, for a gate.

Everything works on columns of integers (`p4d/questions/columns.py`), so a million questions take
seconds. Nothing here measures anything: that is `p4d/questions/facts`.
"""
