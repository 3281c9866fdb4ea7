"""Speed & Acceleration: how fast objects and the camera move, and whether the speed changes."""

from __future__ import annotations

from p4d.questions.asking.families.family import number_family, two_words_family, word_family
from p4d.questions.asking.option_rules import Numbers
from p4d.questions.facts.vocabulary import HALVES_OF_TIME, OF_TWO, SPEED_CHANGES

CATEGORY = "Speed & Acceleration"

FAMILIES = (
    number_family(
        CATEGORY, "mean_speed", "world", ("mean_speed",),
        Numbers(unit="m/s", decimals=1, least_gap=0.15),
    ),
    number_family(
        CATEGORY, "speed_at", "world", ("speed",),
        Numbers(unit="m/s", decimals=1, least_gap=0.25),
    ),
    word_family(
        CATEGORY, "speed_change", "world", "speed_change",
        {change: f"it {change}" for change in SPEED_CHANGES},
    ),
    number_family(
        CATEGORY, "acceleration", "world", ("acceleration",),
        Numbers(unit="m/s2", decimals=1, least_gap=0.2),
    ),
    word_family(CATEGORY, "fastest_object", "world", "fastest"),
    number_family(
        CATEGORY, "camera_speed", "world", ("camera_speed",),
        Numbers(unit="m/s", decimals=2, least_gap=0.05),
    ),
    number_family(
        CATEGORY, "speed_in_picture", "picture", ("screen_speed",),
        Numbers(unit="% per second", decimals=0, least_gap=3.0, least_ratio=0.25),
    ),
    two_words_family(
        CATEGORY, "faster_in_picture", "picture", "goes_farther", {one: one for one in OF_TWO}
    ),
)  # fmt: skip

LATER_FAMILIES = (
    two_words_family(
        CATEGORY, "faster_half", "picture", "faster_half",
        {half: f"in the {half}" for half in HALVES_OF_TIME},
    ),
)  # fmt: skip
"""Of plain videos, with two options."""
