"""Counting: consecutive integers, such as how many objects move or are nearer than another."""

from __future__ import annotations

from p4d.questions.asking.families.family import count_family

CATEGORY = "Counting"

FAMILIES = (
    count_family(CATEGORY, "moving_objects", "world", "moving_count"),
    count_family(CATEGORY, "moving_of_three", "world", "moving_of_three"),
    count_family(CATEGORY, "going_objects", "world", "going_count"),
    count_family(CATEGORY, "turning_objects", "world", "turning_count"),
    count_family(CATEGORY, "quarter_turns", "world", "quarter_turns"),
    count_family(CATEGORY, "faster_objects", "world", "faster_count"),
    count_family(CATEGORY, "nearer_objects", "camera_at", "nearer_count"),
    count_family(CATEGORY, "objects_to_the_left", "camera_at", "left_count"),
    # Of a plain video, with few marks: two options.
    count_family(CATEGORY, "going_left", "picture", "leftward_count", max_options=2),
    count_family(CATEGORY, "going_right", "picture", "rightward_count", max_options=2),
    count_family(CATEGORY, "left_in_picture", "picture", "picture_left_count", max_options=2),
)

LATER_FAMILIES = (
    count_family(CATEGORY, "in_left_half", "picture", "left_half_count", max_options=2),
    count_family(CATEGORY, "in_upper_half", "picture", "upper_half_count", max_options=2),
    count_family(CATEGORY, "stirring_columns", "picture", "stirring_columns", max_options=2),
    count_family(CATEGORY, "stirring_rows", "picture", "stirring_rows", max_options=2),
)
