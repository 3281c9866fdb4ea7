"""Dimensional Measurement: how large and how far, in metres; never of a relative scale."""

from __future__ import annotations

from p4d.questions.asking.distractors import Numbers
from p4d.questions.asking.families.family import number_family, word_family

CATEGORY = "Dimensional Measurement"

FAMILIES = (
    number_family(
        CATEGORY, "longest_extent", "object", ("size_longest",),
        (
            "What is the longest extent of {a}?",
            "How long is {a} at its longest?",
            "How large is {a} in its longest dimension?",
            "What does {a} measure along its longest side?",
        ),
        Numbers(unit="m", decimals=2, least_gap=0.06, least_ratio=0.1),
    ),
    number_family(
        CATEGORY, "distance_between", "world", ("distance",),
        (
            "{when}, how far is {a} from {b}?",
            "{when}, what is the distance between the centres of {a} and {b}?",
            "{when}, how far apart are {a} and {b}?",
            "{when}, how many metres lie between {a} and {b}?",
        ),
        Numbers(unit="m", decimals=1, least_gap=0.2),
    ),
    number_family(
        CATEGORY, "distance_to_camera", "camera_at", ("distance_to_camera",),
        (
            "{when}, how far is {a} from the camera?",
            "{when}, what is the distance from the camera to {a}?",
            "{when}, how many metres away from the camera is {a}?",
            "{when}, at which distance does the camera see {a}?",
        ),
        Numbers(unit="m", decimals=1, least_gap=0.2, least_ratio=0.1),
    ),
    number_family(
        CATEGORY, "closest_approach", "world", ("least_distance",),
        (
            "{when}, what is the least distance between {a} and {b}?",
            "{when}, how close do {a} and {b} come to each other?",
            "{when}, how near does {a} get to {b} at the nearest?",
            "{when}, what is the closest that {a} and {b} are?",
        ),
        Numbers(unit="m", decimals=1, least_gap=0.2),
    ),
    word_family(
        CATEGORY, "largest_object", "object", "largest",
        (
            "Which object has the longest extent?",
            "Which marked object is the largest?",
            "Which of the marked objects is the biggest?",
            "What is the largest of the marked objects?",
        ),
    ),
    word_family(
        CATEGORY, "smallest_object", "object", "smallest",
        (
            "Which object is shortest at its longest?",
            "Which marked object is the smallest?",
            "Which of the marked objects is the least in extent?",
            "What is the smallest of the marked objects?",
        ),
    ),
)  # fmt: skip
