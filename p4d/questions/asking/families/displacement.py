"""Displacement & Path Length: how far objects and the camera move, and along which path."""

from __future__ import annotations

from p4d.questions.asking.families.family import number_family, word_family
from p4d.questions.asking.option_rules import Numbers
from p4d.questions.facts.vocabulary import BENDS_LEFT, BENDS_RIGHT, RETURNS, RISES, STAYS, STRAIGHT

CATEGORY = "Displacement & Path Length"
_LENGTH = Numbers(unit="m", decimals=1, least_gap=0.15)

FAMILIES = (
    number_family(CATEGORY, "displacement", "world", ("displacement",), _LENGTH),
    number_family(CATEGORY, "path_length", "world", ("path_length",), _LENGTH),
    number_family(
        CATEGORY, "camera_displacement", "world", ("camera_displacement",),
        Numbers(unit="m", decimals=1, least_gap=0.1),
    ),
    number_family(
        CATEGORY, "path_ratio", "world", ("path_ratio",),
        Numbers(unit="times", decimals=1, least_gap=0.2, least_ratio=0.1),
    ),
    word_family(
        CATEGORY, "shape_of_way", "object", "way",
        {
            STRAIGHT: "it goes straight",
            BENDS_LEFT: "it bends to its left",
            BENDS_RIGHT: "it bends to its right",
            RETURNS: "it returns to its start",
            RISES: "it goes up, then down",
            STAYS: "it stays in place",
        },
    ),
    number_family(
        CATEGORY, "way_to_the_right", "camera_first", ("displacement_right",), _LENGTH
    ),
    number_family(
        CATEGORY, "shift_in_picture", "picture", ("screen_shift",),
        Numbers(unit="%", decimals=0, least_gap=4.0, least_ratio=0.25),
    ),
)  # fmt: skip
