"""Translational: which way things move, in which frame, and when."""

from __future__ import annotations

from p4d.questions.asking.families.family import word_family
from p4d.questions.facts.vocabulary import (
    BOTH,
    COURSES,
    FORMER,
    GO_ON,
    LATTER,
    NEITHER,
    NEVER_MOVE,
    STAYS,
    TRENDS,
)

CATEGORY = "Translational"

_FIRST = {
    FORMER: "the former", LATTER: "the latter", BOTH: "both at the same time",
    NEITHER: "neither of them",
}  # fmt: skip

FAMILIES = (
    word_family(
        CATEGORY, "direction", "camera_first", "direction",
        (
            "{when}, which way does {a} move?",
            "{when}, in which direction is {a} moving?",
            "{when}, where is {a} heading?",
            "{when}, which way does {a} go, as first seen from the camera?",
        ),
    ),
    word_family(
        CATEGORY, "picture_direction", "picture", "picture_direction",
        (
            "{when}, which way does {a} itself move in the picture?",
            "{when}, camera motion aside, which way does {a} move in the image?",
            "{when}, if the camera stood still, which way would {a} move on the screen?",
            "{when}, without the motion of the camera, where in the picture does {a} go?",
        ),
    ),
    word_family(
        CATEGORY, "screen_direction", "picture", "screen_direction",
        (
            "{when}, camera motion included, which way does {a} move on the screen?",
            "{when}, which way does {a} shift in the picture, whatever moves?",
            "{when}, on the screen, where does {a} go, camera motion included?",
            "{when}, to which side of the picture does {a} shift?",
        ),
        {STAYS: "not moving", "left": "left", "right": "right", "up": "up", "down": "down"},
    ),
    word_family(
        CATEGORY, "camera_direction", "camera_first", "camera_direction",
        (
            "{when}, which way does the camera move?",
            "{when}, how is the camera moving?",
            "{when}, in which direction does the camera travel?",
            "{when}, where does the person with the camera go?",
        ),
    ),
    word_family(
        CATEGORY, "approach", "camera_at", "range_trend",
        (
            "{when}, does {a} come closer to the camera or go away?",
            "{when}, how does the distance from the camera to {a} change?",
            "{when}, is {a} coming closer or going further away?",
            "{when}, what happens to the distance between the camera and {a}?",
        ),
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
        (
            "{when}, how does the distance between {a} and {b} change?",
            "{when}, do {a} and {b} come closer to each other?",
            "{when}, what happens to the gap between {a} and {b}?",
            "{when}, do {a} and {b} approach each other or part?",
        ),
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
        CATEGORY, "course", "world", "course",
        (
            "{when}, when does {a} move?",
            "{when}, how do rest and motion of {a} follow each other?",
            "{when}, does {a} begin to move, or come to rest?",
            "{when}, in what order does {a} rest and move?",
        ),
        {course: f"it {course}" for course in COURSES},
    ),
    word_family(
        CATEGORY, "moves_first", "world", "moves_first",
        (
            "{when}, which is in motion first, {a} or {b}?",
            "{when}, which begins to move first, {a} or {b}?",
            "{when}, of {a} and {b}, which sets off first?",
            "{when}, does {a} or {b} start to move earlier?",
        ),
        _FIRST,
    ),
    word_family(
        CATEGORY, "rests_first", "world", "rests_first",
        (
            "{when}, which comes to rest first, {a} or {b}?",
            "{when}, which stops moving first, {a} or {b}?",
            "{when}, of {a} and {b}, which stops first?",
            "{when}, does {a} or {b} stop earlier?",
        ),
        {
            FORMER: "the former", LATTER: "the latter", GO_ON: "both move to the end",
            NEVER_MOVE: "neither of them moves",
        },
    ),
)  # fmt: skip
