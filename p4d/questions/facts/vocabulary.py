"""Words that facts and options share. The order of each list is part of a fact: its value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STAYS = "stays in place"
DIRECTIONS = ("left", "right", "towards the camera", "away from the camera", "up", "down", STAYS)
PICTURE_DIRECTIONS = ("left", "right", "up", "down", STAYS)

STEADY = "does not move"
CAMERA_DIRECTIONS = ("right", "left", "forward", "backward", "up", "down", STEADY)

CLOCKWISE, COUNTER_CLOCKWISE = "clockwise", "counter-clockwise"
TUMBLES, NOT_ROTATING = "tumbles over", "does not rotate"
ROTATIONS = (CLOCKWISE, COUNTER_CLOCKWISE, TUMBLES, NOT_ROTATING)

STILL, MOVING = "still", "moving"
MOTION = (STILL, MOVING)

# Whether the picture as a whole stays, as the camera holds still.
VIEW_RESTS, VIEW_MOVES = "rests", "moves"
VIEW_STATES = (VIEW_RESTS, VIEW_MOVES)

SIDES = ("left", "right")
VERTICAL = ("up", "down")
NOTHING_MOVES, SOMETHING_MOVES = "nothing moves there", "something moves there"
STIRRING = (NOTHING_MOVES, SOMETHING_MOVES)
PARTS_DOWN = ("in its upper part", "in its middle", "in its lower part")
PARTS_ACROSS = ("in its left part", "in its middle", "in its right part")
HALVES_DOWN = ("upper", "lower")
SIZE_CHANGES = ("larger", "smaller")
HALVES_OF_TIME = ("first half", "second half")
NEARING = ("closer", "farther apart")
DEPTHS = ("nearer", "farther")

# How a distance changes.
TRENDS = ("closer", "farther", "closer, then farther", "farther, then closer", "constant")

SPEED_CHANGES = ("speeds up", "slows down", "keeps its speed", STAYS)

# When an object moves within an interval.
COURSES = (
    "moves all the time",
    "rests, then moves",
    "moves, then rests",
    "rests, moves, then rests",
    "rests all the time",
)

# The shape of a path; left and right as the moving object sees them.
STRAIGHT, BENDS_LEFT, BENDS_RIGHT = "straight", "bends to the left", "bends to the right"
RETURNS, RISES = "back to its start", "up, then down"
WAYS = (STRAIGHT, BENDS_LEFT, BENDS_RIGHT, RETURNS, RISES, STAYS)

# How a rotation looks from the camera: where the near side moves, or the sense of a clock's hand.
SEEN_TURNS = (
    "its near side moves left",
    "its near side moves right",
    "its near side moves up",
    "its near side moves down",
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    NOT_ROTATING,
)

STEADY_VIEW = "does not turn"
CAMERA_TURNS = ("to the left", "to the right", "upwards", "downwards", STEADY_VIEW)

OWN_SIDES = ("ahead of it", "behind it", "on its left", "on its right")
HEIGHTS = ("higher", "lower")
QUADRANTS = ("upper left", "upper right", "lower left", "lower right")
PICTURE_SIDES = ("left and above", "right and above", "left and below", "right and below")

# Which of two named objects.
FORMER, LATTER, BOTH, NEITHER = "the former", "the latter", "both", "neither"
OF_TWO = (FORMER, LATTER)
PAIR = (FORMER, LATTER, BOTH, NEITHER)
KEEP_MOVING, NEVER_MOVE = "both keep moving", "neither moves"
RESTS = (FORMER, LATTER, KEEP_MOVING, NEVER_MOVE)

# Which of the marked objects, by the number of its mark.
OBJECTS = tuple(f"object {mark}" for mark in range(1, 10))


def word_numbers(by_axis: Sequence[tuple[str, str]], words: Sequence[str]) -> NDArray[np.int64]:
    """Return where the words of axes stand in a vocabulary, [axes, 2]: of a negative sign, else."""
    return np.array([[words.index(one) for one in both] for both in by_axis])
