"""How the camera itself moves and turns, along the level axes of the clip's first camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.blocks import NOBODY, FactBlock, FactRows
from p4d.questions.facts.exact.turning_facts import STEADY_AXIS
from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    MIN_STRAIGHTNESS,
    POSITION_SIGMA_M,
    beyond,
    dominant,
    row_lengths,
)
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.turns import StepTurns
from p4d.questions.facts.vocabulary import (
    CAMERA_DIRECTIONS,
    CAMERA_TURNS,
    STEADY,
    STEADY_VIEW,
    word_numbers,
)

LEAST_CAMERA_TURN_RAD = 0.05

ALONG_AXES = (("left", "right"), ("down", "up"), ("backward", "forward"))
ABOUT_AXES = (("to the left", "to the right"), ("downwards", "upwards"))
"""Words by axis and sign."""


def camera_facts(
    rows: FactRows, scenes: Scenes, begin: int, end: int, params: FactsParams
) -> Iterator[FactBlock]:
    """Yield how the cameras move and turn between two frames."""
    yield from _camera_motion(rows, scenes, begin, end, params)
    yield _camera_turn(rows, scenes, begin, end)


def _camera_motion(
    rows: FactRows, scenes: Scenes, begin: int, end: int, params: FactsParams
) -> Iterator[FactBlock]:
    """Displacement, direction and mean speed of the camera."""
    places_m_ct3 = scenes.world_T_cam_ct44[:, begin : end + 1, :3, 3]
    moved_m_c3 = places_m_ct3[:, -1] - places_m_ct3[:, 0]
    moved_m_c = row_lengths(moved_m_c3)
    extent_m_c = row_lengths(places_m_ct3 - places_m_ct3[:, :1]).max(axis=-1)
    path_m_c = row_lengths(places_m_ct3[:, 1:] - places_m_ct3[:, :-1]).sum(axis=-1)
    naming_m_c = scenes.camera_naming_m_ct[:, begin] + scenes.camera_naming_m_ct[:, end]
    sigma_m_c = 2 * (POSITION_SIGMA_M + scenes.camera_sigma_m_c) + naming_m_c
    yield rows.quantity(
        "camera_displacement", moved_m_c[:, None], sigma_m_c[:, None], about=NOBODY,
        unit="m", frame="world", method="camera centre", where=scenes.metric_c[:, None],
    )  # fmt: skip
    seconds_c = scenes.seconds_c(begin, end)
    yield rows.quantity(
        "camera_speed", (path_m_c / seconds_c)[:, None], (sigma_m_c / seconds_c)[:, None],
        about=NOBODY, unit="m/s", frame="world", method="path of the camera over time",
        where=scenes.metric_c[:, None],
    )  # fmt: skip
    moves_margin_c = beyond(extent_m_c, params.moving_threshold_m, sigma_m_c, sigma_m_c)
    moves_c = moves_margin_c > 0
    word_c = np.full(len(moves_c), CAMERA_DIRECTIONS.index(STEADY))
    margin_c = -moves_margin_c
    if moves_c.any():  # without motion no axes are needed
        level_m_c3 = (scenes.level_axes_c33 @ moved_m_c3[..., None])[..., 0]
        axis_c, sign_c, heading_margin_c = dominant(level_m_c3)
        straight_c = path_m_c * MIN_STRAIGHTNESS <= moved_m_c
        known_c = np.where(straight_c, np.minimum(moves_margin_c, heading_margin_c), 0.0)
        towards_c = word_numbers(ALONG_AXES, CAMERA_DIRECTIONS)[axis_c, (sign_c > 0).astype(int)]
        word_c, margin_c = (
            np.where(moves_c, towards_c, word_c), np.where(moves_c, known_c, margin_c)
        )  # fmt: skip
    yield rows.word(
        "camera_direction", word_c[:, None], margin_c[:, None], CAMERA_DIRECTIONS, about=NOBODY,
        frame="camera_first", method="camera centre along level axes",
    )  # fmt: skip


def _camera_turn(rows: FactRows, scenes: Scenes, begin: int, end: int) -> FactBlock:
    """Direction in which the camera turns."""
    poses_ct44 = scenes.world_T_cam_ct44[:, begin : end + 1]
    turn = StepTurns(poses_ct44[..., :3, :3]).between(0, end - begin)
    sigma_rad_c = 2**0.5 * HALF_PIXEL / scenes.K_c33[:, 0, 0]
    # A turn about the axis to the right tilts the view upwards; a turn about the vertical that
    # is clockwise seen from above takes it to the right.
    upwards_rad_c = (poses_ct44[:, 0, :3, 0] * turn.sum_rad_3).sum(axis=-1)
    axis_c, sign_c, heading_margin_c = dominant(
        np.stack([-turn.sum_rad_3[..., 2], upwards_rad_c], axis=-1)
    )
    enough_c = (turn.total_rad - LEAST_CAMERA_TURN_RAD) / sigma_rad_c
    steady_c = row_lengths(turn.sum_rad_3) >= STEADY_AXIS * turn.total_rad
    turned_c = np.where(steady_c, np.minimum(enough_c, heading_margin_c), 0.0)
    word_c = word_numbers(ABOUT_AXES, CAMERA_TURNS)[axis_c, (sign_c > 0).astype(int)]
    return rows.word(
        "camera_turn", np.where(enough_c > 0, word_c, CAMERA_TURNS.index(STEADY_VIEW))[:, None],
        np.where(enough_c > 0, turned_c, -enough_c)[:, None], CAMERA_TURNS, about=NOBODY,
        frame="camera_first",
        method="turn about the vertical against that about the axis to the right",
    )  # fmt: skip
