"""How objects move and turn in an interval: displacement, direction, rotation, moving or not.

Directions are those of a person who stands where the clip's first camera stands and faces the same
way: right, ahead (horizontal) and up (vertical), whatever the pitch of the camera.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import FactBlock, FactRows, Floats, each, together, word_sigma
from p4d.questions.facts.picture_facts import picture_direction
from p4d.questions.facts.scene.margins import dominant, length_sigma
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.facts.scene.turns import MAX_STEP_RAD, TURN_SIGMA_RAD, AccumulatedTurns
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
    word_numbers,
)

TOWARDS = (("left", "right"), ("down", "up"), ("towards the camera", "away from the camera"))
"""Words by level axis and sign."""

STEEP_RAD = np.deg2rad(25.0)
"""An axis within it of the vertical is a spin, one within it of level a tumble."""


def moving_margin(paths: Trajectories) -> Floats:
    """Return the margin of changing place or turning, in sigmas, [C, K]."""
    total_rad_ck = paths.scenes.turns(paths.begin, paths.end).total_rad
    turns_margin_ck = (total_rad_ck - paths.params.turning_threshold_rad) / TURN_SIGMA_RAD
    return np.maximum(paths.moves_margin_ck, turns_margin_ck)


def moving_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield which objects move, and how many."""
    objects, margin_ck = paths.scenes.objects, moving_margin(paths)
    yield rows.word(
        "moving", margin_ck > 0, np.abs(margin_ck), MOTION, about=each(objects), frame="world",
        method="changes place or turns, beyond the thresholds",
    )  # fmt: skip
    yield rows.quantity(
        "moving_count", (margin_ck > 0).sum(axis=1)[:, None],
        word_sigma(np.abs(margin_ck)).max(axis=1, initial=0.0)[:, None], about=together(objects),
        unit="count", frame="world", method="sum of `moving` over the marked regions",
    )  # fmt: skip


def motion_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield how objects move and turn between two frames."""
    about = each(paths.scenes.objects)
    yield from _lengths(rows, paths)
    yield _direction(rows, paths)
    yield _picture_direction(rows, paths)
    turn = paths.scenes.turns(paths.begin, paths.end)
    naming_rad_ck = paths.scenes.turn_naming_rad(
        np.abs(turn.vertical_rad), paths.begin, paths.end
    )  # fmt: skip
    yield rows.quantity(
        "turn_vertical", turn.vertical_rad, TURN_SIGMA_RAD + naming_rad_ck, about=about,
        unit="rad", frame="world", method="positive is counter-clockwise seen from above",
    )  # fmt: skip
    yield _sense(rows, paths, turn)


def _lengths(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Displacement, path length and mean speed."""
    about, metric_c1 = each(paths.scenes.objects), paths.scenes.metric_c[:, None]
    sigma_m_ck = 2**0.5 * paths.sigma_m_ck
    right_m_ck, up_m_ck, ahead_m_ck = np.moveaxis(paths.level_m_ck3, -1, 0)
    displacement_sigma_m_ck = length_sigma(paths.displacement_m_ck, sigma_m_ck)
    for kind, value_m_ck, error_m_ck, frame in (
        ("displacement", paths.displacement_m_ck, displacement_sigma_m_ck, "world"),
        ("displacement_right", right_m_ck, sigma_m_ck, "camera_first"),
        ("displacement_up", up_m_ck, sigma_m_ck, "camera_first"),
        ("displacement_ahead", ahead_m_ck, sigma_m_ck, "camera_first"),
        ("path_length", paths.path_m_ck, paths.path_sigma_m_ck, "world"),
    ):
        yield rows.quantity(
            kind, value_m_ck, error_m_ck, about=about, unit="m", frame=frame,
            method="centre of the object's box", where=metric_c1,
        )  # fmt: skip
    seconds_c1 = paths.seconds_c[:, None]
    yield rows.quantity(
        "mean_speed", paths.path_m_ck / seconds_c1, paths.path_sigma_m_ck / seconds_c1,
        about=about, unit="m/s", frame="world", method="path length over time", where=metric_c1,
    )  # fmt: skip


def _direction(rows: FactRows, paths: Trajectories) -> FactBlock:
    """The nearest of six level directions (right, up, ahead), or rest."""
    axis_ck, sign_ck, heading_margin_ck = dominant(paths.level_m_ck3)
    word_ck = word_numbers(TOWARDS, DIRECTIONS)[axis_ck, (sign_ck > 0).astype(int)]
    word_ck, margin_ck = if_moves(paths, word_ck, heading_margin_ck, DIRECTIONS.index(STAYS))
    return rows.word(
        "direction", word_ck, margin_ck, DIRECTIONS, about=each(paths.scenes.objects),
        frame="camera_first", method="level axes of the first camera",
    )  # fmt: skip


def if_moves(
    paths: Trajectories, word_ck: np.ndarray, margin_ck: Floats, rests: int
) -> tuple[np.ndarray, Floats]:
    """Return words of directions and their margins, which need motion along a straight path."""
    moves_margin_ck = paths.moves_margin_ck
    known_ck = np.where(paths.straight_ck, np.minimum(moves_margin_ck, margin_ck), 0.0)
    moves_ck = moves_margin_ck > 0
    return np.where(moves_ck, word_ck, rests), np.where(moves_ck, known_ck, -moves_margin_ck)


def _picture_direction(rows: FactRows, paths: Trajectories) -> FactBlock:
    """Direction in the image without camera motion: both places in the camera at the start."""
    from_px_ck2, to_px_ck2 = (
        paths.scenes.pixel_from_ck2(paths.begin, paths.points_m_ckt3[:, :, at]) for at in (0, -1)
    )
    moved_px_ck2 = to_px_ck2 - from_px_ck2
    word_ck, margin_ck = picture_direction(moved_px_ck2, sigma_px=1.0)
    word_ck, margin_ck = if_moves(paths, word_ck, margin_ck, PICTURE_DIRECTIONS.index(STAYS))
    return rows.word(
        "picture_direction", word_ck, margin_ck, PICTURE_DIRECTIONS,
        about=each(paths.scenes.objects), frame="camera_first",
        method="projected into the camera at the start",
        where=~np.isnan(moved_px_ck2[..., 0]),  # behind the camera
    )  # fmt: skip


def _sense(rows: FactRows, paths: Trajectories, turn: AccumulatedTurns) -> FactBlock:
    """The sense of a rotation; a mixture of spin and tumble has none that is certain."""
    enough_ck = (turn.total_rad - paths.params.turning_threshold_rad) / TURN_SIGMA_RAD
    tilt_rad_ck = np.arctan2(turn.level_rad, np.abs(turn.vertical_rad))
    clockwise, counter, tumbles, none = map(
        ROTATIONS.index, (CLOCKWISE, COUNTER_CLOCKWISE, TUMBLES, NOT_ROTATING)
    )
    spins_ck = tilt_rad_ck < np.pi / 4
    word_ck = np.where(spins_ck, np.where(turn.vertical_rad > 0, counter, clockwise), tumbles)
    to_border_rad_ck = np.where(
        spins_ck, STEEP_RAD - tilt_rad_ck, tilt_rad_ck - (np.pi / 2 - STEEP_RAD)
    )
    margin_ck = np.minimum(enough_ck, to_border_rad_ck / TURN_SIGMA_RAD)
    turns_ck, lost_ck = enough_ck > 0, turn.largest_step_rad > MAX_STEP_RAD
    return rows.word(
        "rotation", np.where(turns_ck & ~lost_ck, word_ck, none),
        np.where(lost_ck, 0.0, np.where(turns_ck, margin_ck, -enough_ck)), ROTATIONS,
        about=each(paths.scenes.objects), frame="world",
        method="sense about the vertical, seen from above",
    )  # fmt: skip
