"""Dimensional Measurement: sizes and distances in metres; asked only where the scale is metric."""

from __future__ import annotations

from p4d.questions.asking.families.family import (
    number_family,
    two_words_family,
    word_family,
)
from p4d.questions.asking.option_rules import Numbers
from p4d.questions.facts.vocabulary import OF_TWO, SIZE_CHANGES

CATEGORY = "Dimensional Measurement"
_EXTENT = Numbers(unit="m", decimals=2, least_gap=0.06, least_ratio=0.1)
_BETWEEN_OBJECTS = Numbers(unit="m", decimals=1, least_gap=0.2)
_TO_CAMERA = Numbers(unit="m", decimals=1, least_gap=0.2, least_ratio=0.1)

FAMILIES = (
    number_family(CATEGORY, "longest_extent", "object", ("size_longest",), _EXTENT),
    number_family(CATEGORY, "distance_between", "world", ("distance",), _BETWEEN_OBJECTS),
    number_family(CATEGORY, "distance_to_camera", "camera_at", ("distance_to_camera",), _TO_CAMERA),
    number_family(CATEGORY, "closest_approach", "world", ("least_distance",), _BETWEEN_OBJECTS),
    word_family(CATEGORY, "largest_object", "object", "largest"),
    word_family(CATEGORY, "smallest_object", "object", "smallest"),
)

LATER_FAMILIES = (
    two_words_family(
        CATEGORY, "looks_larger", "picture", "looks_larger", {one: one for one in OF_TWO}
    ),
    two_words_family(
        CATEGORY, "size_change", "picture", "size_change",
        {change: f"it gets {change}" for change in SIZE_CHANGES},
    ),
)  # fmt: skip
"""Of plain videos, without metres."""
