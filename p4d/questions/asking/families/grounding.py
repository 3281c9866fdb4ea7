"""3D Video Grounding: which object is where, and when."""

from __future__ import annotations

from p4d.questions.asking.families.family import (
    Evidence,
    QuestionFamily,
    number_family,
    two_words_family,
    word_family,
)
from p4d.questions.asking.option_rules import Numbers, Words
from p4d.questions.facts.vocabulary import (
    HALVES_DOWN,
    HALVES_OF_TIME,
    PARTS_ACROSS,
    PARTS_DOWN,
    SIDES,
)

CATEGORY = "3D Video Grounding"
AXES = ("position_right", "position_down", "position_ahead")
EDGES = {"left": PARTS_DOWN, "right": PARTS_DOWN, "top": PARTS_ACROSS, "bottom": PARTS_ACROSS}
_SHARE_OF_SIDE = Numbers(unit="%", decimals=0, least_gap=12.0)

FAMILIES = (
    number_family(
        CATEGORY, "place_of_object", "camera_at", AXES,
        Numbers(unit="m", decimals=1, least_gap=0.35),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="object_at_place",
        frame="camera_at",
        evidence=(Evidence(kinds=("who_is_there", *AXES)),),
        rule=Words(),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="time_at_place",
        frame="camera_at",
        evidence=(Evidence(kinds=("when_there", *AXES)),),
        rule=Words(),
    ),
    word_family(CATEGORY, "nearest_object", "camera_at", "nearest"),
    word_family(CATEGORY, "farthest_object", "camera_at", "farthest"),
    number_family(CATEGORY, "place_across", "picture", ("place_across",), _SHARE_OF_SIDE),
    number_family(CATEGORY, "place_down", "picture", ("place_down",), _SHARE_OF_SIDE),
)  # fmt: skip

LATER_FAMILIES = (
    two_words_family(
        CATEGORY, "half_across", "picture", "half_across", {side: side for side in SIDES}
    ),
    two_words_family(
        CATEGORY, "half_down", "picture", "half_down", {half: half for half in HALVES_DOWN}
    ),
    *(
        two_words_family(
            CATEGORY, f"stirring_where_{edge}", "picture", f"stirring_where_{edge}",
            {part: part for part in parts},
        )
        for edge, parts in EDGES.items()
    ),
    *(
        two_words_family(
            CATEGORY, f"stirring_when_{edge}", "picture", f"stirring_when_{edge}",
            {half: f"in the {half}" for half in HALVES_OF_TIME},
        )
        for edge in EDGES
    ),
)  # fmt: skip
"""Of plain videos, with two options."""
