"""How one object moves and turns in an interval: displacement, direction, rotation, moving or not.

Directions are those of a person who stands where the clip's first camera stands and faces the same
way: right, ahead (horizontal) and up (vertical), whatever the pitch of the camera.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.picture_facts import picture_direction
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import dominant, length_sigma
from p4d.questions.facts.scene.trajectory import Trajectory
from p4d.questions.facts.scene.turns import (
    MAX_STEP_RAD,
    TURN_SIGMA_RAD,
    AccumulatedTurn,
)
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import (
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    DIRECTIONS,
    MOTION,
    NOT_ROTATING,
    PICTURE_DIRECTIONS,
    ROTATIONS,
    STAYS,
    TUMBLES,
)


def motion_facts(scene: Scene, trajectory: Trajectory, params: FactsParams) -> Iterator[Fact]:
    """Yield how one object moves and turns between two frames."""
    begin, end = trajectory.begin, trajectory.end
    span_ns, region = scene.span(begin, end), [scene.region_ids[trajectory.k]]
    if scene.metric:
        yield from _lengths(scene, trajectory)
    turn = scene.turn(trajectory.k, begin, end)
    turns_margin = (turn.total_rad - params.turning_threshold_rad) / TURN_SIGMA_RAD
    moving_margin = max(trajectory.moves_margin, turns_margin)
    yield word(
        scene.source, "moving", MOTION[int(moving_margin > 0)], abs(moving_margin), MOTION,
        frame="world", method="changes place or turns, beyond the thresholds", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    text, margin = _direction(trajectory, scene.level_axes @ trajectory.moved_m_3)
    yield word(
        scene.source, "direction", text, margin, DIRECTIONS, frame="camera_first",
        method="level axes of the first camera", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    yield from _picture_direction(scene, trajectory)
    yield quantity(
        scene.source, "turn_vertical", turn.vertical_rad,
        TURN_SIGMA_RAD + scene.turn_naming_rad(abs(turn.vertical_rad), begin, end), unit="rad",
        frame="world", method="positive is counter-clockwise seen from above", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    text, margin = _sense(turn, params.turning_threshold_rad)
    yield word(
        scene.source, "rotation", text, margin, ROTATIONS, frame="world",
        method="sense about the vertical, seen from above", region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _lengths(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Displacement, path length and mean speed."""
    span_ns, region = scene.span(trajectory.begin, trajectory.end), [scene.region_ids[trajectory.k]]
    sigma_m = 2**0.5 * trajectory.sigma_m
    displacement_m = trajectory.displacement_m
    right_m, up_m, ahead_m = scene.level_axes @ trajectory.moved_m_3
    path_error_m = trajectory.path_sigma_m
    for kind, value, error_m, frame in (
        ("displacement", displacement_m, length_sigma(displacement_m, sigma_m), "world"),
        ("displacement_right", right_m, sigma_m, "camera_first"),
        ("displacement_up", up_m, sigma_m, "camera_first"),
        ("displacement_ahead", ahead_m, sigma_m, "camera_first"),
        ("path_length", trajectory.path_m, path_error_m, "world"),
    ):
        yield quantity(
            scene.source, kind, value, error_m, unit="m", frame=frame,
            method="centre of the object's box", region_ids=region, span_ns=span_ns,
        )  # fmt: skip
    yield quantity(
        scene.source, "mean_speed", trajectory.path_m / trajectory.seconds,
        path_error_m / trajectory.seconds, unit="m/s", frame="world",
        method="path length over time", region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _direction(trajectory: Trajectory, level_m_3: np.ndarray) -> tuple[str, float]:
    """Return the nearest of six level directions (right, up, ahead), or rest, and its margin."""
    if trajectory.moves_margin <= 0:
        return STAYS, -trajectory.moves_margin
    axis, sign, heading_margin = dominant(level_m_3)
    text = (("left", "right"), ("down", "up"), ("towards the camera", "away from the camera"))[
        axis
    ][int(sign > 0)]
    return text, min(trajectory.moves_margin, heading_margin) if trajectory.straight else 0.0


def _picture_direction(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Direction in the image without camera motion: both places in the camera at the start."""
    places_m = scene.centre_m_kt3[trajectory.k, [trajectory.begin, trajectory.end]]
    (u0, v0), (u1, v1) = scene.pixels_from(trajectory.begin, places_m).tolist()
    if u0 != u0 or u1 != u1:  # behind the camera
        return
    text, margin = STAYS, -trajectory.moves_margin
    if trajectory.moves_margin > 0:
        text, margin = picture_direction((u1 - u0, v1 - v0), sigma_px=1.0)
        margin = min(trajectory.moves_margin, margin) if trajectory.straight else 0.0
    yield word(
        scene.source, "picture_direction", text, margin, PICTURE_DIRECTIONS, frame="camera_first",
        method="projected into the camera at the start",
        region_ids=[scene.region_ids[trajectory.k]],
        span_ns=scene.span(trajectory.begin, trajectory.end),
    )  # fmt: skip


def _sense(turn: AccumulatedTurn, threshold_rad: float) -> tuple[str, float]:
    """Return the word for a rotation and its margin; a mixture of spin and tumble has none."""
    if turn.largest_step_rad > MAX_STEP_RAD:
        return NOT_ROTATING, 0.0
    enough = (turn.total_rad - threshold_rad) / TURN_SIGMA_RAD
    if enough <= 0:
        return NOT_ROTATING, -enough
    tilt_rad = float(np.arctan2(turn.level_rad, abs(turn.vertical_rad)))
    # An axis within 25 degrees of the vertical is a spin, one within 25 degrees of level a tumble.
    border_rad = np.deg2rad(25.0)
    if tilt_rad < np.pi / 4:
        text = COUNTER_CLOCKWISE if turn.vertical_rad > 0 else CLOCKWISE
        return text, min(enough, (border_rad - tilt_rad) / TURN_SIGMA_RAD)
    return TUMBLES, min(enough, (tilt_rad - (np.pi / 2 - border_rad)) / TURN_SIGMA_RAD)
