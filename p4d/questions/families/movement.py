"""Which way things move and turn: Translational and Rotational."""

from __future__ import annotations

from p4d.questions.distractors import Words
from p4d.questions.families.family import Family, only_word, single

FAMILIES = (
    Family(
        category="Translational",
        name="direction",
        dynamic=True,
        needs=("direction",),
        phrasings=(
            "{when}, which way does {a} move?",
            "{when}, in which direction is {a} moving?",
            "{when}, where is {a} heading?",
        ),
        rule=Words(),
        asks=single("direction"),
        answer=only_word,
    ),
    Family(
        category="Translational",
        name="picture_direction",
        dynamic=True,
        needs=("picture_direction",),
        phrasings=(
            "{when}, which way does {a} itself move in the picture?",
            "{when}, camera motion aside, which way does {a} move in the image?",
        ),
        rule=Words(),
        asks=single("picture_direction"),
        answer=only_word,
    ),
    Family(
        category="Translational",
        name="camera_direction",
        dynamic=True,
        needs=("camera_direction",),
        phrasings=("{when}, which way does the camera move?", "{when}, how is the camera moving?"),
        rule=Words(),
        asks=single("camera_direction"),
        answer=only_word,
    ),
    Family(
        category="Rotational",
        name="rotation",
        dynamic=True,
        needs=("rotation",),
        phrasings=(
            "{when}, seen from above, how does {a} rotate?",
            "{when}, which way does {a} turn, seen from above?",
        ),
        rule=Words(),
        asks=single("rotation"),
        answer=only_word,
    ),
)
