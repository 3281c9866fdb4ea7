"""Rotational: which way things turn, for whom, and how far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from p4d.questions.asking.distractors import Numbers, Words
from p4d.questions.asking.families.family import Evidence, Family, number_family, word_family
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
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


def _camera_course(words: Sequence[str | None]) -> str | None:
    direction, turn = words
    moves = "stays" if direction == STEADY else f"moves {direction}"
    return f"{moves}, no turn" if turn == STEADY_VIEW else f"{moves}, turns {turn}"


FAMILIES = (
    word_family(
        CATEGORY, "rotation", "world", "rotation",
        (
            "{when}, seen from above, how does {a} rotate?",
            "{when}, which way does {a} turn, seen from above?",
            "{when}, looking down from above, how is {a} spinning?",
            "{when}, for a viewer above it, which way does {a} rotate?",
        ),
    ),
    word_family(
        CATEGORY, "rotation_seen", "camera_at", "rotation_seen",
        (
            "{when}, seen from the camera, how does {a} rotate?",
            "{when}, how does the rotation of {a} look from the camera?",
            "{when}, which way does {a} turn in the eyes of the camera?",
            "{when}, as the camera sees it, how is {a} spinning?",
        ),
    ),
    word_family(
        CATEGORY, "rotation_own", "object", "rotation",
        (
            "{when}, to which of its own sides does {a} turn?",
            "{when}, from its own view, which way does {a} turn?",
            "{when}, for a person standing on {a}, to which side does it spin?",
            "{when}, does {a} spin to its own left or right?",
        ),
        {
            COUNTER_CLOCKWISE: "to its left", CLOCKWISE: "to its right",
            TUMBLES: "it tumbles over", NOT_ROTATING: "it does not rotate",
        },
    ),
    word_family(
        CATEGORY, "turn_of_way", "object", "way",
        (
            "{when}, from its own view, to which side does the way of {a} turn?",
            "{when}, as a driver of {a}, which way would you steer?",
            "{when}, does {a} turn left or right on its way?",
            "{when}, for someone riding on {a}, which way does it turn?",
        ),
        {
            STRAIGHT: "it moves straight and does not turn", BENDS_LEFT: "it turns to its left",
            BENDS_RIGHT: "it turns to its right", STAYS: "it stays in place",
        },
    ),
    number_family(
        CATEGORY, "rotation_angle", "world", ("turn_angle",),
        (
            "{when}, by what angle does {a} rotate?",
            "{when}, how far does {a} turn about its axis?",
            "{when}, how many degrees does {a} rotate?",
            "{when}, through which angle does {a} spin?",
        ),
        Numbers(unit="degrees", decimals=0, least_gap=20.0),
        factor=180.0 / math.pi,
    ),
    Family(
        category=CATEGORY,
        name="camera_course",
        frame="camera_first",
        evidence=(Evidence(kinds=("camera_direction", "camera_turn"), says=_camera_course),),
        phrasings=(
            "{when}, how does the camera move and turn?",
            "{when}, where does the camera go, and where does it turn to?",
            "{when}, which way is the camera carried and swung?",
            "{when}, what do the place and the aim of the camera do?",
        ),
        rule=Words(),
    ),
    word_family(
        CATEGORY, "camera_turn", "camera_first", "camera_turn",
        (
            "{when}, which way does the camera turn?",
            "{when}, to which side does the view of the camera swing?",
            "{when}, how does the camera change where it looks?",
            "{when}, where does the person with the camera turn to?",
        ),
    ),
)  # fmt: skip
