"""Speed & Acceleration: how fast, when, and whether it changes."""

from __future__ import annotations

from p4d.questions.asking.distractors import Numbers
from p4d.questions.asking.families.family import number_family, word_family
from p4d.questions.facts.vocabulary import SPEED_CHANGES

CATEGORY = "Speed & Acceleration"
_SPEED = Numbers(unit="m/s", decimals=1, least_gap=0.15)

FAMILIES = (
    number_family(
        CATEGORY, "mean_speed", "world", ("mean_speed",),
        (
            "{when}, what is the mean speed of {a}?",
            "{when}, how fast is {a} on average?",
            "{when}, what is the average speed of {a}?",
            "{when}, how fast does {a} move on average?",
        ),
        _SPEED,
    ),
    number_family(
        CATEGORY, "speed_at", "world", ("speed",),
        (
            "{when}, how fast is {a}?",
            "{when}, what is the speed of {a}?",
            "{when}, at what speed does {a} move?",
            "{when}, how fast does {a} go just then?",
        ),
        Numbers(unit="m/s", decimals=1, least_gap=0.25),
    ),
    word_family(
        CATEGORY, "speed_change", "world", "speed_change",
        (
            "{when}, does {a} speed up or slow down?",
            "{when}, how does the speed of {a} change?",
            "{when}, is {a} getting faster or slower?",
            "{when}, what happens to the speed of {a}?",
        ),
        {change: f"it {change}" for change in SPEED_CHANGES},
    ),
    number_family(
        CATEGORY, "acceleration", "world", ("acceleration",),
        (
            "{when}, what is the acceleration of {a} along its way?",
            "{when}, how much does {a} accelerate?",
            "{when}, what is the acceleration of {a}, negative if it slows down?",
            "{when}, at which rate does the speed of {a} change?",
        ),
        Numbers(unit="m/s2", decimals=1, least_gap=0.2),
    ),
    word_family(
        CATEGORY, "fastest_object", "world", "fastest",
        (
            "{when}, which object is the fastest?",
            "{when}, which marked object moves fastest?",
            "{when}, which of the marked objects has the highest mean speed?",
            "{when}, what moves fastest of all that is marked?",
        ),
    ),
    number_family(
        CATEGORY, "camera_speed", "world", ("camera_speed",),
        (
            "{when}, what is the mean speed of the camera?",
            "{when}, how fast does the camera move on average?",
            "{when}, how fast is the camera itself?",
            "{when}, at what mean speed does the camera travel?",
        ),
        Numbers(unit="m/s", decimals=2, least_gap=0.05),
    ),
)  # fmt: skip
