"""How rotations look from the camera, their angles, and their quarter turns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import FactBlock, FactRows, Floats, each
from p4d.questions.facts.scene.margins import dominant, row_lengths
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.facts.scene.turns import MAX_STEP_RAD, TURN_SIGMA_RAD
from p4d.questions.facts.vocabulary import NOT_ROTATING, SEEN_TURNS

STEADY_AXIS = 0.95  # share of all turning that one axis must account for

# About an axis to the right the near side moves down, about an axis that points up it moves right,
# and about an axis towards the viewer it turns counter-clockwise: indices in SEEN_TURNS.
SEEN_ABOUT = np.array([[2, 3], [0, 1], [4, 5]])


def turning_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield the facts about the rotation of objects between two frames."""
    scenes, about = paths.scenes, each(paths.scenes.objects)
    turn = scenes.turns(paths.begin, paths.end)
    steady_ck = row_lengths(turn.sum_rad_3) >= STEADY_AXIS * turn.total_rad
    known_ck = turn.largest_step_rad <= MAX_STEP_RAD
    enough_ck = (turn.total_rad - paths.params.turning_threshold_rad) / TURN_SIGMA_RAD
    turns_ck = enough_ck > 0
    axes_ck33 = _view_axes(paths)
    axis_ck, sign_ck, heading_margin_ck = dominant((axes_ck33 @ turn.sum_rad_3[..., None])[..., 0])
    seen_ck = SEEN_ABOUT[axis_ck, (sign_ck > 0).astype(int)]
    seen_margin_ck = np.where(steady_ck, np.minimum(enough_ck, heading_margin_ck), 0.0)
    margin_ck = np.where(turns_ck, seen_margin_ck, -enough_ck)
    yield rows.word(
        "rotation_seen", np.where(turns_ck, seen_ck, SEEN_TURNS.index(NOT_ROTATING)),
        np.where(known_ck, margin_ck, 0.0), SEEN_TURNS, about=about, frame="camera_at",
        method="axis of the turn against the line of sight",
    )  # fmt: skip
    one_axis_ck = known_ck & (~turns_ck | steady_ck)
    naming_rad_ck = scenes.turn_naming_rad(turn.total_rad, paths.begin, paths.end)
    yield rows.quantity(
        "turn_angle", turn.total_rad, turn.total_sigma_rad + naming_rad_ck, about=about,
        unit="rad", frame="world", method="sum of the angles between frames, about one axis",
        where=one_axis_ck,
    )  # fmt: skip
    quarters_ck, rest_rad_ck = np.divmod(turn.total_rad, np.pi / 2)
    before_rad_ck = np.where(quarters_ck > 0, rest_rad_ck, np.inf)
    to_border_rad_ck = np.minimum(before_rad_ck, np.pi / 2 - rest_rad_ck)
    yield rows.quantity(
        "quarter_turns", quarters_ck,
        (TURN_SIGMA_RAD + naming_rad_ck) / np.maximum(to_border_rad_ck, 1e-6), about=about,
        unit="count", frame="world", method="whole quarters of the turned angle",
        where=one_axis_ck,
    )  # fmt: skip


def _view_axes(paths: Trajectories) -> Floats:
    """Return rows right, up and towards the viewer in the world, for a viewer of each object."""
    camera_c44 = paths.scenes.world_T_cam_ct44[:, paths.begin]
    towards_ck3 = camera_c44[:, None, :3, 3] - paths.points_m_ckt3[:, :, 0]
    towards_ck3 = towards_ck3 / row_lengths(towards_ck3)[..., None]
    up_ck3 = np.broadcast_to(-camera_c44[:, None, :3, 1], towards_ck3.shape)
    up_ck3 = up_ck3 - (up_ck3 * towards_ck3).sum(axis=-1, keepdims=True) * towards_ck3
    up_ck3 = up_ck3 / row_lengths(up_ck3)[..., None]
    return np.stack([np.cross(up_ck3, towards_ck3), up_ck3, towards_ck3], axis=-2)
