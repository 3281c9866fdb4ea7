"""Speeds at instants, acceleration, and path length as a multiple of the displacement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import path_sigma_m
from p4d.questions.facts.scene.trajectory import Trajectory
from p4d.questions.facts.table import Fact, quantity

SAME_SPEED = 0.2  # largest relative difference of two neighbouring speeds that count as one


def speed_facts(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Yield the speeds of one trajectory, in a metric scene."""
    begin, end = trajectory.begin, trajectory.end
    region, span_ns = [scene.region_ids[trajectory.k]], scene.span(begin, end)
    displacement_m = trajectory.displacement_m
    if displacement_m > 5 * 2**0.5 * trajectory.sigma_m:
        ratio = trajectory.path_m / displacement_m
        # On a straight path both have the same error, and their ratio has none.
        subtracted_m_3 = ratio * trajectory.moved_m_3 / displacement_m
        ratio_sigma = (
            path_sigma_m(trajectory.points_m_t3, trajectory.sigma_m, subtracted_m_3)
            / displacement_m
        )
        yield quantity(
            scene.source, "path_ratio", ratio, ratio_sigma, unit="ratio", frame="world",
            method="path length over displacement", region_ids=region,
            span_ns=span_ns,
        )  # fmt: skip
    if begin == 0 and end == len(scene.time_ns) - 1:
        yield from _speeds_at(scene, trajectory)
    steps_m = trajectory.steps_m
    if (
        trajectory.moves_margin <= 0
        or len(steps_m) < 4
        or displacement_m < 0.97 * trajectory.path_m
    ):
        return
    # Strict conditions: a constant acceleration, so that the question has one answer.
    time_s = (scene.time_ns[begin : end + 1] - scene.time_ns[begin]) * 1e-9
    along_m = (trajectory.points_m_t3 - trajectory.points_m_t3[0]) @ (
        trajectory.moved_m_3 / displacement_m
    )
    design = np.stack([np.ones_like(time_s), time_s, 0.5 * time_s**2], axis=1)
    solution = np.linalg.lstsq(design, along_m, rcond=None)[0]
    if np.abs(design @ solution - along_m).max() > trajectory.rest_sigma_m:
        return
    spread = float(np.linalg.inv(design.T @ design)[2, 2]) ** 0.5
    yield quantity(
        scene.source, "acceleration", solution[2], trajectory.sigma_m * spread, unit="m/s2",
        frame="world", method="parabola through the places along a straight way",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _speeds_at(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Speed at the instants that have a frame on both sides, over both steps."""
    last = len(scene.time_ns) - 1
    for frame in (round(last / 3), round(2 * last / 3)):
        if not 0 < frame < last:
            continue
        before_m, after_m = trajectory.steps_m[frame - 1], trajectory.steps_m[frame]
        seconds = float(scene.time_ns[frame + 1] - scene.time_ns[frame - 1]) * 1e-9
        allowed_m = SAME_SPEED * (after_m + before_m) + trajectory.rest_sigma_m / 2
        if abs(after_m - before_m) > allowed_m:
            continue  # the speed changes at this instant
        points_m_t3 = trajectory.points_m_t3[frame - 1 : frame + 2]
        yield quantity(
            scene.source, "speed", (before_m + after_m) / seconds,
            path_sigma_m(points_m_t3, trajectory.sigma_m) / seconds, unit="m/s", frame="world",
            method="path from the frame before to the frame after, over time",
            region_ids=[scene.region_ids[trajectory.k]], span_ns=scene.span(frame, frame),
        )  # fmt: skip
