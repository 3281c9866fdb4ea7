"""Rotational: which way objects and the camera turn, in which frame, and how far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from p4d.questions.asking.families.family import (
    Evidence,
    QuestionFamily,
    number_family,
    word_family,
)
from p4d.questions.asking.option_rules import Numbers, Words
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    CAMERA_TURNS,
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    NOT_ROTATING,
    STAYS,
    STEADY,
    STEADY_VIEW,
    STRAIGHT,
    TUMBLES,
)

CATEGORY = "Rotational"

_TURNS = dict(
    zip(CAMERA_TURNS[:4], ("turns left", "turns right", "tilts up", "tilts down"), strict=True)
)


def _camera_course(words: Sequence[str | None]) -> str | None:
    direction, turn = words
    if direction is None or turn is None:
        return None
    if direction == STEADY:
        return "does not move or turn" if turn == STEADY_VIEW else f"{_TURNS[turn]} without moving"
    how = "without turning" if turn == STEADY_VIEW else f"and {_TURNS[turn]}"
    return f"moves {direction} {how}"


FAMILIES = (
    word_family(CATEGORY, "rotation", "world", "rotation"),
    word_family(CATEGORY, "rotation_seen", "camera_at", "rotation_seen"),
    word_family(
        CATEGORY, "rotation_own", "object", "rotation",
        {
            COUNTER_CLOCKWISE: "to its left",
            CLOCKWISE: "to its right",
            TUMBLES: "it tumbles over",
            NOT_ROTATING: "it does not rotate",
        },
    ),
    word_family(
        CATEGORY, "turn_of_way", "object", "way",
        {
            STRAIGHT: "it goes straight",
            BENDS_LEFT: "to its left",
            BENDS_RIGHT: "to its right",
            STAYS: "it stays in place",
        },
    ),
    number_family(
        CATEGORY, "rotation_angle", "world", ("turn_angle",),
        Numbers(unit="degrees", decimals=0, least_gap=20.0), factor=180.0 / math.pi,
    ),
    QuestionFamily(
        category=CATEGORY,
        name="camera_course",
        frame="camera_first",
        evidence=(Evidence(kinds=("camera_direction", "camera_turn"), answer_word=_camera_course),),
        rule=Words(),
    ),
    word_family(CATEGORY, "camera_turn", "camera_first", "camera_turn"),
)  # fmt: skip
