"""Displacement & Path Length: how far things get, along which way."""

from __future__ import annotations

from p4d.questions.asking.distractors import Numbers
from p4d.questions.asking.families.family import number_family, word_family
from p4d.questions.facts.vocabulary import BENDS_LEFT, BENDS_RIGHT, RETURNS, RISES, STAYS, STRAIGHT

CATEGORY = "Displacement & Path Length"
_WAY = Numbers(unit="m", decimals=1, least_gap=0.15)

FAMILIES = (
    number_family(
        CATEGORY, "displacement", "world", ("displacement",),
        (
            "{when}, how far does {a} get in a straight line?",
            "{when}, what is the displacement of {a}?",
            "{when}, how far from its start is {a} at the end?",
            "{when}, how far apart are start and end of the way of {a}?",
        ),
        _WAY,
    ),
    number_family(
        CATEGORY, "path_length", "world", ("path_length",),
        (
            "{when}, how long is the path of {a}?",
            "{when}, what length does {a} travel along its path?",
            "{when}, how long is the way that {a} covers?",
            "{when}, how many metres does {a} travel in all?",
        ),
        _WAY,
    ),
    number_family(
        CATEGORY, "camera_displacement", "world", ("camera_displacement",),
        (
            "{when}, how far does the camera get?",
            "{when}, what is the displacement of the camera?",
            "{when}, how far from its start is the camera at the end?",
            "{when}, how far does the camera itself move in a straight line?",
        ),
        Numbers(unit="m", decimals=1, least_gap=0.1),
    ),
    number_family(
        CATEGORY, "path_ratio", "world", ("path_ratio",),
        (
            "{when}, how many times its displacement is the path of {a}?",
            "{when}, path over displacement: what is the ratio for {a}?",
            "{when}, by which factor is the path of {a} longer than the straight line?",
            "{when}, what is the path length of {a} divided by its displacement?",
        ),
        Numbers(unit="times", decimals=1, least_gap=0.2, least_ratio=0.1),
    ),
    word_family(
        CATEGORY, "shape_of_way", "object", "way",
        (
            "{when}, what shape has the way of {a}?",
            "{when}, how does {a} travel from start to end?",
            "{when}, does {a} go straight, or does it return?",
            "{when}, which path does {a} take?",
        ),
        {
            STRAIGHT: "straight on", BENDS_LEFT: "a bend to its left",
            BENDS_RIGHT: "a bend to its right", RETURNS: "back to where it was",
            RISES: "up and down again", STAYS: "it stays in place",
        },
    ),
    number_family(
        CATEGORY, "way_to_the_right", "camera_first", ("displacement_right",),
        (
            "{when}, how far does {a} get to the right, negative if left?",
            "{when}, by how much is {a} displaced to the right, negative if left?",
            "{when}, how many metres to the right does {a} go, negative if left?",
            "{when}, what is the displacement of {a} to the right, negative if left?",
        ),
        _WAY,
    ),
)  # fmt: skip
