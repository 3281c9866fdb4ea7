"""Spatial Relation: where objects are relative to each other, to the camera and to a mover."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.asking.families.family import (
    Evidence,
    QuestionFamily,
    two_words_family,
    word_family,
)
from p4d.questions.asking.option_rules import Words
from p4d.questions.facts.vocabulary import HALVES_DOWN, OF_TWO, SIDES

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

LATER_FAMILIES = (
    two_words_family(CATEGORY, "more_left", "picture", "more_left", {one: one for one in OF_TWO}),
    two_words_family(CATEGORY, "more_up", "picture", "more_up", {one: one for one in OF_TWO}),
    two_words_family(
        CATEGORY, "stirring_side", "picture", "stirring_side",
        {side: f"in the {side} third" for side in SIDES},
    ),
    two_words_family(
        CATEGORY, "stirring_level", "picture", "stirring_level",
        {half: f"in the {half} third" for half in HALVES_DOWN},
    ),
)  # fmt: skip
"""Of plain videos, with two options."""
