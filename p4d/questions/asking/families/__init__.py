"""Families of questions: 75 kinds of questions in the nine categories of R4D-Bench.

- One module per category holds its families: the facts each needs and the rule for its options.
- `phrasings.yaml` holds the texts. Edit it to change how a question is asked.
- `family.py` defines `QuestionFamily` and short constructors for words, counts and numbers.

Which candidates are asked, and with which options, is decided in `p4d/questions/asking`, not here.
Read `family.py` first. The table of all families is docs/questions.md.
"""

from __future__ import annotations

from p4d.questions.asking.families import (
    counting,
    displacement,
    false_premises,
    grounding,
    measurement,
    relation,
    rotation,
    speed,
    translation,
)
from p4d.questions.asking.families.family import Evidence, QuestionFamily

FAMILIES: tuple[QuestionFamily, ...] = (
    *grounding.FAMILIES,
    *measurement.FAMILIES,
    *relation.FAMILIES,
    *translation.FAMILIES,
    *rotation.FAMILIES,
    *counting.FAMILIES,
    *false_premises.FAMILIES,
    *speed.FAMILIES,
    *displacement.FAMILIES,
)
BY_NAME = {family.name: family for family in FAMILIES}

__all__ = ["BY_NAME", "FAMILIES", "Evidence", "QuestionFamily"]
