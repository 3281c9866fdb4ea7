"""Counting: consecutive integers. How many move, how often one turns, how many come before one."""

from __future__ import annotations

from p4d.questions.asking.families.family import count_family

CATEGORY = "Counting"

FAMILIES = (
    count_family(
        CATEGORY, "moving_objects", "world", "moving_count",
        (
            "{when}, how many marked objects move or turn?",
            "{when}, how many of the marked objects are in motion?",
            "{when}, count the marked objects that move or turn.",
            "{when}, what number of marked objects are not at rest?",
        ),
    ),
    count_family(
        CATEGORY, "moving_of_three", "world", "moving_of_three",
        (
            "{when}, how many of {a}, {b} and {c} move or turn?",
            "{when}, of {a}, {b} and {c}, how many are in motion?",
            "{when}, how many among {a}, {b} and {c} are not at rest?",
            "{when}, count what moves or turns among {a}, {b} and {c}.",
        ),
    ),
    count_family(
        CATEGORY, "going_objects", "world", "going_count",
        (
            "{when}, how many marked objects change their place?",
            "{when}, how many of the marked objects go somewhere else?",
            "{when}, how many marked objects do not stay where they are?",
            "{when}, count the marked objects that change their place.",
        ),
    ),
    count_family(
        CATEGORY, "turning_objects", "world", "turning_count",
        (
            "{when}, how many marked objects rotate?",
            "{when}, how many of the marked objects turn or tumble?",
            "{when}, count the marked objects that rotate.",
            "{when}, what number of marked objects spin or tumble?",
        ),
    ),
    count_family(
        CATEGORY, "quarter_turns", "world", "quarter_turns",
        (
            "{when}, how many quarter turns does {a} complete?",
            "{when}, how often does {a} turn by a full quarter?",
            "{when}, how many times does {a} turn by 90 degrees?",
            "{when}, count the whole quarter turns of {a}.",
        ),
    ),
    count_family(
        CATEGORY, "faster_objects", "world", "faster_count",
        (
            "{when}, how many marked objects are faster than {a}?",
            "{when}, how many of the others move faster than {a}?",
            "{when}, how many marked objects cover a longer way than {a}?",
            "{when}, how many of the others outrun {a}?",
        ),
    ),
    count_family(
        CATEGORY, "nearer_objects", "camera_at", "nearer_count",
        (
            "{when}, how many marked objects are closer to the camera than {a}?",
            "{when}, how many of the others are nearer to the camera than {a}?",
            "{when}, how many marked objects does the camera have before {a}, by distance?",
            "{when}, count the marked objects that are nearer to the camera than {a}.",
        ),
    ),
    count_family(
        CATEGORY, "objects_to_the_left", "camera_at", "left_count",
        (
            "{when}, how many marked objects are to the left of {a}?",
            "{when}, seen from the camera, how many of the others are left of {a}?",
            "{when}, how many marked objects lie on the left side of {a} in the view?",
            "{when}, count the marked objects to the left of {a}.",
        ),
    ),
)  # fmt: skip
