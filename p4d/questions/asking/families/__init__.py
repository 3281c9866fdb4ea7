"""Families of questions: 109 kinds of questions in the nine categories of R4D-Bench.

- One module per category holds its families: the facts each needs and the rule for its options.
- `seconds.py` holds the eight that need the seconds of the frames, which ask only on request.
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
    seconds,
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
    *seconds.FAMILIES,
    # Later ones are last: the numbers of the others stay what they were.
    *grounding.LATER_FAMILIES,
    *measurement.LATER_FAMILIES,
    *relation.LATER_FAMILIES,
    *counting.LATER_FAMILIES,
    *false_premises.LATER_FAMILIES,
    *speed.LATER_FAMILIES,
)
BY_NAME = {family.name: family for family in FAMILIES}

__all__ = ["BY_NAME", "FAMILIES", "Evidence", "QuestionFamily"]
