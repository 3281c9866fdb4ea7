"""3D Video Grounding: which object is where, and when."""

from __future__ import annotations

from p4d.questions.asking.families.family import (
    Evidence,
    QuestionFamily,
    number_family,
    word_family,
)
from p4d.questions.asking.option_rules import Numbers, Words

CATEGORY = "3D Video Grounding"
AXES = ("position_right", "position_down", "position_ahead")
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
