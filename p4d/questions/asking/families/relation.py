"""Spatial Relation: where objects are relative to each other, to the camera and to a mover."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.asking.families.family import Evidence, QuestionFamily, word_family
from p4d.questions.asking.option_rules import Words

CATEGORY = "Spatial Relation"


def _both(words: Sequence[str | None]) -> str | None:
    return f"{words[0]} and {words[1]}"


FAMILIES = (
    QuestionFamily(
        category=CATEGORY,
        name="relation_to_object",
        frame="camera_at",
        evidence=(Evidence(kinds=("side", "depth_order"), answer_word=_both),),
        rule=Words(),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="relation_with_height",
        frame="camera_at",
        evidence=(Evidence(kinds=("side", "height_order"), answer_word=_both),),
        rule=Words(),
    ),
    word_family(CATEGORY, "relation_in_picture", "picture", "picture_side"),
    word_family(CATEGORY, "quadrant", "picture", "quadrant"),
    word_family(CATEGORY, "side_from_object", "object", "own_side"),
    word_family(CATEGORY, "comes_closest", "camera_at", "comes_closest"),
)
