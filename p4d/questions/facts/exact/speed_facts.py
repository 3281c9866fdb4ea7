"""Speeds at instants, acceleration, and path length as a multiple of the displacement."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import Bools, FactBlock, FactRows, Floats, each
from p4d.questions.facts.scene.margins import path_sigma_m
from p4d.questions.facts.scene.trajectories import Trajectories

SAME_SPEED = 0.2  # largest relative difference of two neighbouring speeds that count as one
LEAST_STEPS = 4  # of which an acceleration is measured
EVEN_SHARE = 0.97  # of the path that the displacement must be


def speed_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield the speeds of trajectories, in metric scenes."""
    metric_c1 = paths.scenes.metric_c[:, None]
    yield _path_ratio(rows, paths, metric_c1)
    if paths.whole:
        yield from _speeds_at(rows, paths, metric_c1)
    if paths.steps_m_ckt.shape[-1] >= LEAST_STEPS:
        yield _acceleration(rows, paths, metric_c1)


def _path_ratio(rows: FactRows, paths: Trajectories, metric_c1: Bools) -> FactBlock:
    displacement_m_ck = paths.displacement_m_ck
    ratio_ck = paths.path_m_ck / displacement_m_ck
    # On a straight path both have the same error, and their ratio has none.
    subtracted_m_ck3 = ratio_ck[..., None] * paths.moved_m_ck3 / displacement_m_ck[..., None]
    sigma_m_ck = path_sigma_m(paths.points_m_ckt3, paths.sigma_m_ck, subtracted_m_ck3)
    return rows.quantity(
        "path_ratio", ratio_ck, sigma_m_ck / displacement_m_ck,
        about=each(paths.scenes.objects), unit="ratio", frame="world",
        method="path length over displacement",
        where=metric_c1 & (displacement_m_ck > 5 * 2**0.5 * paths.sigma_m_ck),
    )  # fmt: skip


def _acceleration(rows: FactRows, paths: Trajectories, metric_c1: Bools) -> FactBlock:
    """Strict conditions: a constant acceleration, so that the question has one answer."""
    time_ns_ct = paths.scenes.time_ns_ct[:, paths.begin : paths.end + 1]
    time_s_ct = (time_ns_ct - time_ns_ct[:, :1]) * 1e-9
    design_ct3 = np.stack([np.ones_like(time_s_ct), time_s_ct, 0.5 * time_s_ct**2], axis=-1)
    squares_c33 = np.swapaxes(design_ct3, 1, 2) @ design_ct3
    spread_c = np.linalg.inv(squares_c33)[:, 2, 2] ** 0.5
    straight_ck = paths.displacement_m_ck >= EVEN_SHARE * paths.path_m_ck
    even_ck = metric_c1 & (paths.moves_margin_ck > 0) & straight_ck
    value_ck, off_m_ck = np.zeros((2, *even_ck.shape))
    # One by one: the sign of a zero depends on the order of the sums.
    for clip, k in zip(*np.nonzero(even_ck), strict=True):
        value_ck[clip, k], off_m_ck[clip, k] = _parabola(
            design_ct3[clip], paths.points_m_ckt3[clip, k]
        )
    return rows.quantity(
        "acceleration", value_ck, paths.sigma_m_ck * spread_c[:, None],
        about=each(paths.scenes.objects), unit="m/s2", frame="world",
        method="parabola through the places along a straight way",
        where=even_ck & (off_m_ck <= paths.rest_sigma_m_ck),
    )  # fmt: skip


def _parabola(design_t3: Floats, points_m_t3: Floats) -> tuple[float, float]:
    """Return the acceleration along a path, and how far a place lies off its parabola."""
    from_start_m_t3 = points_m_t3 - points_m_t3[0]
    moved_m_3 = from_start_m_t3[-1]
    along_m_t = from_start_m_t3 @ (moved_m_3 / math.sqrt(moved_m_3 @ moved_m_3))
    solution_3 = np.linalg.lstsq(design_t3, along_m_t, rcond=None)[0]
    return float(solution_3[2]), float(np.abs(design_t3 @ solution_3 - along_m_t).max())


def _speeds_at(rows: FactRows, paths: Trajectories, metric_c1: Bools) -> Iterator[FactBlock]:
    """Speed at the instants that have a frame on both sides, over both steps."""
    scenes, last = paths.scenes, paths.scenes.frames - 1
    for frame in (round(last / 3), round(2 * last / 3)):
        if not 0 < frame < last:
            continue
        before_m_ck, after_m_ck = (paths.steps_m_ckt[:, :, at] for at in (frame - 1, frame))
        seconds_c1 = scenes.seconds_c(frame - 1, frame + 1)[:, None]
        allowed_m_ck = SAME_SPEED * (after_m_ck + before_m_ck) + paths.rest_sigma_m_ck / 2
        points_m_ck33 = paths.points_m_ckt3[:, :, frame - 1 : frame + 2]
        sigma_m_ck: Floats = path_sigma_m(points_m_ck33, paths.sigma_m_ck)
        yield rows.at(scenes.named_ns_ct[:, frame]).quantity(
            "speed", (before_m_ck + after_m_ck) / seconds_c1, sigma_m_ck / seconds_c1,
            about=each(scenes.objects), unit="m/s", frame="world",
            method="path from the frame before to the frame after, over time",
            # Otherwise the speed changes at this instant.
            where=metric_c1 & (np.abs(after_m_ck - before_m_ck) <= allowed_m_ck),
        )  # fmt: skip
