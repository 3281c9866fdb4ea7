"""Words that facts and options share, each list in a fixed order."""

from __future__ import annotations

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

SIDES = ("left", "right")
DEPTHS = ("nearer", "farther")
