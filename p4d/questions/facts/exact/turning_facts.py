"""How a rotation looks from the camera, its angle, and its quarter turns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import dominant, vector_length
from p4d.questions.facts.scene.trajectory import Trajectory
from p4d.questions.facts.scene.turns import MAX_STEP_RAD, TURN_SIGMA_RAD
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import NOT_ROTATING, SEEN_TURNS

STEADY_AXIS = 0.95  # share of all turning that one axis must account for


def turning_facts(scene: Scene, trajectory: Trajectory, params: FactsParams) -> Iterator[Fact]:
    """Yield the facts about the rotation of one object between two frames."""
    k, begin, end = trajectory.k, trajectory.begin, trajectory.end
    region, span_ns = [scene.region_ids[k]], scene.span(begin, end)
    turn = scene.turn(k, begin, end)
    steady = vector_length(turn.sum_rad) >= STEADY_AXIS * turn.total_rad
    known = turn.largest_step_rad <= MAX_STEP_RAD
    enough = (turn.total_rad - params.turning_threshold_rad) / TURN_SIGMA_RAD
    text, margin = NOT_ROTATING, -enough if known else 0.0
    if enough > 0:
        axis, sign, heading_margin = dominant(_view_axes(scene, k, begin) @ turn.sum_rad)
        # About an axis to the right the near side moves down, about an axis that points up it
        # moves right, and about an axis towards the viewer it turns counter-clockwise.
        text = (SEEN_TURNS[2:4], SEEN_TURNS[0:2], SEEN_TURNS[4:6])[axis][int(sign > 0)]
        margin = min(enough, heading_margin) if known and steady else 0.0
    yield word(
        scene.source, "rotation_seen", text, margin, SEEN_TURNS, frame="camera_at",
        method="axis of the turn against the line of sight", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    if not known or (enough > 0 and not steady):
        return
    naming_rad = scene.turn_naming_rad(turn.total_rad, begin, end)
    yield quantity(
        scene.source, "turn_angle", turn.total_rad, turn.total_sigma_rad + naming_rad, unit="rad",
        frame="world", method="sum of the angles between frames, about one axis",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    quarters, rest = divmod(turn.total_rad, np.pi / 2)
    to_border_rad = min(rest if quarters else np.inf, np.pi / 2 - rest)
    yield quantity(
        scene.source, "quarter_turns", quarters,
        (TURN_SIGMA_RAD + naming_rad) / max(to_border_rad, 1e-6), unit="count",
        frame="world", method="whole quarters of the turned angle", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip


def _view_axes(scene: Scene, k: int, frame: int) -> np.ndarray:
    """Return rows right, up and towards the viewer in the world, for a viewer of the object."""
    camera = scene.world_T_cam_t44[frame]
    towards = camera[:3, 3] - scene.centre_m_kt3[k, frame]
    towards = towards / vector_length(towards)
    up = -camera[:3, 1]
    up = up - (up @ towards) * towards
    up = up / vector_length(up)
    return np.stack([np.cross(up, towards), up, towards])
