"""How the camera itself moves and turns, along the level axes of the clip's first camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.exact.turning_facts import STEADY_AXIS
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    MIN_STRAIGHTNESS,
    POSITION_SIGMA_M,
    beyond,
    dominant,
    row_lengths,
    vector_length,
)
from p4d.questions.facts.scene.turns import turn_of
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import CAMERA_DIRECTIONS, CAMERA_TURNS, STEADY, STEADY_VIEW

LEAST_CAMERA_TURN_RAD = 0.05


def camera_facts(scene: Scene, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """Yield how the camera moves and turns between two frames."""
    yield from _camera_motion(scene, begin, end, params)
    yield from _camera_turn(scene, begin, end)


def _camera_motion(scene: Scene, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """Displacement, direction and mean speed of the camera."""
    span_ns = scene.span(begin, end)
    path_m_t3 = scene.world_T_cam_t44[begin : end + 1, :3, 3]
    moved_m_3 = path_m_t3[-1] - path_m_t3[0]
    extent_m = float(row_lengths(path_m_t3 - path_m_t3[0]).max())
    path_m = float(row_lengths(path_m_t3[1:] - path_m_t3[:-1]).sum())
    naming_m = scene.camera_naming_m(begin) + scene.camera_naming_m(end)
    sigma_m = 2 * (POSITION_SIGMA_M + scene.camera_sigma_m) + naming_m
    if scene.metric:
        yield quantity(
            scene.source, "camera_displacement", vector_length(moved_m_3), sigma_m,
            unit="m", frame="world", method="camera centre", span_ns=span_ns,
        )  # fmt: skip
        seconds = scene.seconds(begin, end)
        yield quantity(
            scene.source, "camera_speed", path_m / seconds, sigma_m / seconds, unit="m/s",
            frame="world", method="path of the camera over time", span_ns=span_ns,
        )  # fmt: skip
    moves_margin = beyond(extent_m, params.moving_threshold_m, sigma_m, sigma_m)
    text, margin = STEADY, -moves_margin
    if moves_margin > 0:
        axis, sign, heading_margin = dominant(scene.level_axes @ moved_m_3)
        text = (("left", "right"), ("down", "up"), ("backward", "forward"))[axis][int(sign > 0)]
        straight = path_m * MIN_STRAIGHTNESS <= vector_length(moved_m_3)
        margin = min(moves_margin, heading_margin) if straight else 0.0
    yield word(
        scene.source, "camera_direction", text, margin, CAMERA_DIRECTIONS, frame="camera_first",
        method="camera centre along level axes", span_ns=span_ns,
    )  # fmt: skip


def _camera_turn(scene: Scene, begin: int, end: int) -> Iterator[Fact]:
    """Direction in which the camera turns."""
    span_ns = scene.span(begin, end)
    poses = scene.world_T_cam_t44[begin : end + 1]
    turn = turn_of(poses[:, :3, :3])
    sigma_rad = 2**0.5 * HALF_PIXEL / float(scene.K_33[0, 0])
    # A turn about the axis to the right tilts the view upwards; a turn about the vertical that
    # is clockwise seen from above takes it to the right.
    upwards_rad = float(poses[0, :3, 0] @ turn.sum_rad)
    axis, sign, heading_margin = dominant(np.array([-turn.sum_rad[2], upwards_rad]))
    enough = (turn.total_rad - LEAST_CAMERA_TURN_RAD) / sigma_rad
    text, margin = STEADY_VIEW, -enough
    if enough > 0:
        text = (CAMERA_TURNS[0:2], (CAMERA_TURNS[3], CAMERA_TURNS[2]))[axis][int(sign > 0)]
        steady = vector_length(turn.sum_rad) >= STEADY_AXIS * turn.total_rad
        margin = min(enough, heading_margin) if steady else 0.0
    yield word(
        scene.source, "camera_turn", text, margin, CAMERA_TURNS, frame="camera_first",
        method="turn about the vertical against that about the axis to the right", span_ns=span_ns,
    )  # fmt: skip
