"""Translational: which way objects and the camera move, in which frame, and when."""

from __future__ import annotations

from p4d.questions.asking.families.family import two_words_family, word_family
from p4d.questions.facts.vocabulary import (
    BOTH,
    COURSES,
    FORMER,
    KEEP_MOVING,
    LATTER,
    NEARING,
    NEITHER,
    NEVER_MOVE,
    SIDES,
    STAYS,
    TRENDS,
    VERTICAL,
    VIEW_MOVES,
    VIEW_RESTS,
)

CATEGORY = "Translational"

FAMILIES = (
    word_family(CATEGORY, "direction", "camera_first", "direction"),
    word_family(CATEGORY, "picture_direction", "picture", "picture_direction"),
    word_family(
        CATEGORY, "screen_direction", "picture", "screen_direction",
        {
            **{way: way for way in ("left", "right", "up", "down")},
            STAYS: "it does not move",
        },
    ),
    word_family(CATEGORY, "camera_direction", "camera_first", "camera_direction"),
    word_family(
        CATEGORY, "approach", "camera_at", "range_trend",
        dict(
            zip(
                TRENDS,
                ("it comes closer", "it goes farther away", "it comes closer, then goes away",
                 "it goes away, then comes closer", "it keeps its distance"),
                strict=True,
            )
        ),
    ),
    word_family(
        CATEGORY, "approach_of_two", "world", "gap_trend",
        dict(
            zip(
                TRENDS,
                ("they come closer", "they move apart", "they come closer, then move apart",
                 "they move apart, then come closer", "they keep their distance"),
                strict=True,
            )
        ),
    ),
    word_family(
        CATEGORY, "course", "world", "course", {course: f"it {course}" for course in COURSES},
    ),
    word_family(
        CATEGORY, "moves_first", "world", "moves_first",
        {
            FORMER: "the former",
            LATTER: "the latter",
            BOTH: "both at the same time",
            NEITHER: "neither of them",
        },
    ),
    word_family(
        CATEGORY, "rests_first", "world", "rests_first",
        {
            FORMER: "the former",
            LATTER: "the latter",
            KEEP_MOVING: "both keep moving to the end",
            NEVER_MOVE: "neither of them moves",
        },
    ),
    word_family(
        CATEGORY, "view_direction", "picture", "view_direction",
        {way: way for way in ("left", "right", "up", "down")},
    ),
    two_words_family(
        CATEGORY, "view_rests", "picture", "view",
        {VIEW_RESTS: "it stays the same", VIEW_MOVES: "it moves"},
    ),
    two_words_family(
        CATEGORY, "left_or_right", "picture", "left_or_right", {way: way for way in SIDES}
    ),
    two_words_family(
        CATEGORY, "up_or_down", "picture", "up_or_down", {way: way for way in VERTICAL}
    ),
    two_words_family(
        CATEGORY, "gap_in_picture", "picture", "gap_in_picture",
        dict(zip(NEARING, ("they get closer", "they get farther apart"), strict=True)),
    ),
)  # fmt: skip
