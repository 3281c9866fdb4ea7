"""Spatial Relation: where things are to each other, to the camera, and as an object sees it."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.asking.distractors import Words
from p4d.questions.asking.families.family import Evidence, Family, word_family

CATEGORY = "Spatial Relation"


def _both(words: Sequence[str | None]) -> str | None:
    return f"{words[0]} and {words[1]}"


FAMILIES = (
    Family(
        category=CATEGORY,
        name="relation_to_object",
        frame="camera_at",
        evidence=(Evidence(kinds=("side", "depth_order"), says=_both),),
        phrasings=(
            "{when}, seen from the camera, where is {a} relative to {b}?",
            "{when}, where is {a} compared with {b}, as the camera sees it?",
            "{when}, how does {a} lie relative to {b} in the view?",
            "{when}, from the camera, is {a} left or right of {b}, nearer or farther?",
        ),
        rule=Words(),
    ),
    Family(
        category=CATEGORY,
        name="relation_with_height",
        frame="camera_at",
        evidence=(Evidence(kinds=("side", "height_order"), says=_both),),
        phrasings=(
            "{when}, is {a} left or right of {b}, and higher or lower?",
            "{when}, seen from the camera, how is {a} placed beside and above {b}?",
            "{when}, to which side of {b} is {a}, and at which height?",
            "{when}, by side and height, where is {a} relative to {b}?",
        ),
        rule=Words(),
    ),
    word_family(
        CATEGORY, "relation_in_picture", "picture", "picture_side",
        (
            "{when}, where in the picture is {a} relative to {b}?",
            "{when}, on the screen, where is {a} compared with {b}?",
            "{when}, in the image, how does {a} lie relative to {b}?",
            "{when}, on the screen, in which direction from {b} is {a}?",
        ),
    ),
    word_family(
        CATEGORY, "quadrant", "picture", "quadrant",
        (
            "{when}, in which part of the picture is {a}?",
            "{when}, in which quarter of the picture is {a}?",
            "{when}, where on the screen is {a}?",
            "{when}, which corner of the picture is {a} nearest to?",
        ),
    ),
    word_family(
        CATEGORY, "side_from_object", "object", "own_side",
        (
            "{when}, as {a} sees it, facing where it goes, where is {b} at the start?",
            "{when}, from the view of {a} along its motion, where is {b} at the start?",
            "{when}, for someone riding on {a} and looking ahead, where is {b} at the start?",
            "{when}, at the start, on which side of the moving {a} is {b}?",
        ),
    ),
    word_family(
        CATEGORY, "comes_closest", "camera_at", "comes_closest",
        (
            "{when}, which object comes closest to the camera?",
            "{when}, which marked object gets nearest to the camera?",
            "{when}, what comes nearest to the camera at any time?",
            "{when}, which of the marked objects is ever closest to the camera?",
        ),
    ),
)  # fmt: skip
