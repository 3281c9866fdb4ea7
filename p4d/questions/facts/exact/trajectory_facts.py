"""Facts of one trajectory: its shape, when it moves, and how its speed and distance change.

All words follow one rule: a change must be visible (half a pixel at the object's distance), and
constancy must be measured (the errors of poses). Between the two no answer is certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.picture_facts import screen_direction
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import (
    HEADING_SIGMA_RAD,
    dominant,
    row_lengths,
    vector_length,
)
from p4d.questions.facts.scene.trajectory import STEP_M, Trajectory
from p4d.questions.facts.table import Fact, word
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    COURSES,
    OWN_SIDES,
    PICTURE_DIRECTIONS,
    RETURNS,
    RISES,
    SPEED_CHANGES,
    STAYS,
    STRAIGHT,
    TRENDS,
    WAYS,
)

LEAST_SPEED_CHANGE_M_S = 0.05
LEAST_BEND_M = 0.04  # off the straight line


def trajectory_facts(scene: Scene, trajectory: Trajectory, params: FactsParams) -> Iterator[Fact]:
    """Yield the facts of one trajectory that words describe."""
    span_ns, region = scene.span(trajectory.begin, trajectory.end), [scene.region_ids[trajectory.k]]
    text, margin = trend(
        scene.range_m_kt[trajectory.k, trajectory.begin : trajectory.end + 1],
        params.moving_threshold_m,
        2**0.5 * trajectory.sigma_m,
        trajectory.rest_sigma_m,
    )
    yield word(
        scene.source, "range_trend", text, margin, TRENDS, frame="camera_at",
        method="distance to the camera at each frame", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    yield from _screen_direction(scene, trajectory)
    text, margin = _speed_change(trajectory)
    yield word(
        scene.source, "speed_change", text, margin, SPEED_CHANGES, frame="world",
        method="path lengths of the two halves over their times", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    text, margin = _course(trajectory)
    yield word(
        scene.source, "course", text, margin, COURSES, frame="world",
        method="steps between frames that change place", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    text, margin = _shape(trajectory)
    yield word(
        scene.source, "way", text, margin, WAYS, frame="object",
        method="farthest place off the straight line", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    yield from _own_sides(scene, trajectory)


def trend(
    values: np.ndarray, threshold: float, visible_sigma: float, rest_sigma: float
) -> tuple[str, float]:
    """Return the word of TRENDS for a distance over time, and its margin."""
    ends = values[0], values[-1], values.min(), values.max()
    first, last, least, most = (float(value) for value in ends)
    fall, climb, rise_after, fall_after = first - least, most - first, last - least, most - last

    def is_seen(change: float) -> float:
        return (change - threshold) / visible_sigma

    def is_none(change: float) -> float:
        return (threshold - change) / rest_sigma

    margins = (
        min(is_seen(fall), is_none(climb), is_none(rise_after)),
        min(is_seen(climb), is_none(fall), is_none(fall_after)),
        min(is_seen(fall), is_seen(rise_after), is_none(climb)),
        min(is_seen(climb), is_seen(fall_after), is_none(fall)),
        min(is_none(fall), is_none(climb)),
    )
    best = margins.index(max(margins))
    return TRENDS[best], margins[best]


def _screen_direction(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Direction in the image, camera motion included."""
    begin, end = trajectory.begin, trajectory.end
    if not (scene.visible_kt[trajectory.k, begin] and scene.visible_kt[trajectory.k, end]):
        return
    places_px = scene.pixel_kt2[trajectory.k, begin : end + 1]
    text, margin = screen_direction(places_px)
    yield word(
        scene.source, "screen_direction", text, margin, PICTURE_DIRECTIONS, frame="picture",
        method="places in the pictures of both frames", region_ids=[scene.region_ids[trajectory.k]],
        span_ns=scene.span(begin, end),
    )  # fmt: skip


def _speed_change(trajectory: Trajectory) -> tuple[str, float]:
    """Compare the mean speeds of the two halves."""
    steps_m = trajectory.steps_m
    half = len(steps_m) // 2
    if half < 1 or trajectory.moves_margin <= 0:
        return STAYS, -trajectory.moves_margin
    half_s = trajectory.seconds * half / len(steps_m)
    change_m_s = float(steps_m[len(steps_m) - half :].sum() - steps_m[:half].sum()) / half_s
    if abs(change_m_s) <= LEAST_SPEED_CHANGE_M_S:
        measured_m_s = trajectory.rest_sigma_m / half_s
        margin = (LEAST_SPEED_CHANGE_M_S - abs(change_m_s)) / measured_m_s
        return "keeps its speed", min(trajectory.moves_margin, margin)
    visible_m_s = 2 * trajectory.sigma_m / half_s
    margin = (abs(change_m_s) - LEAST_SPEED_CHANGE_M_S) / visible_m_s
    return SPEED_CHANGES[int(change_m_s < 0)], min(trajectory.moves_margin, margin)


def _course(trajectory: Trajectory) -> tuple[str, float]:
    """Return in which part of the interval it changes place; unknown if it pauses in between."""
    moves = trajectory.moves
    if not moves.any():
        return "rests all the time", -trajectory.moves_margin
    if ((trajectory.steps_m > STEP_M / 4) & ~moves).any():
        return COURSES[0], 0.0  # creeps: neither rest nor motion
    start, stop = trajectory.start, trajectory.stop
    if not moves[start.frame : len(moves) - stop.frame].all():
        return COURSES[0], 0.0
    text = COURSES[2 * int(stop.frame > 0) + int(start.frame > 0)]
    return text, min(trajectory.moves_margin, start.margin, stop.margin)


def _shape(trajectory: Trajectory) -> tuple[str, float]:
    """Classify the path: straight, bent to one side, back to its start, or up and down."""
    if trajectory.moves_margin <= 0:
        return STAYS, -trajectory.moves_margin
    points = trajectory.points_m_t3 - trajectory.points_m_t3[0]
    length_m = vector_length(points[-1])
    sigma_m, measured_m = 2**0.5 * trajectory.sigma_m, trajectory.rest_sigma_m
    rise_m = float(points[:, 2].max() - max(0.0, points[-1, 2]))
    if rise_m > LEAST_BEND_M:
        return RISES, min(trajectory.moves_margin, (rise_m - LEAST_BEND_M) / sigma_m)
    if length_m <= LEAST_BEND_M:
        return RETURNS, min(trajectory.moves_margin, (LEAST_BEND_M - length_m) / measured_m)
    ahead = points[-1] / length_m
    along_m = points @ ahead
    off_m = points - along_m[:, None] * ahead
    farthest = int(row_lengths(off_m).argmax())
    bend_m = vector_length(off_m[farthest])
    monotone = bool((np.diff(along_m) > -measured_m).all())
    if bend_m <= LEAST_BEND_M:
        margin = (LEAST_BEND_M - bend_m) / measured_m
        return STRAIGHT, min(trajectory.moves_margin, margin) if monotone else 0.0
    # A path bulges to the outer side of its chord: a bend to the left bulges to the right.
    bulge_left = float(np.cross(ahead, off_m[farthest])[2])
    level_m = abs(bulge_left) - abs(float(off_m[farthest, 2]))
    level = abs(bulge_left) > 0.8 * bend_m
    margin = min(bend_m - LEAST_BEND_M, level_m) / sigma_m if level and monotone else 0.0
    margin = min(margin, (LEAST_BEND_M - rise_m) / measured_m)
    return (BENDS_RIGHT if bulge_left > 0 else BENDS_LEFT), min(trajectory.moves_margin, margin)


def _own_sides(scene: Scene, trajectory: Trajectory) -> Iterator[Fact]:
    """Where the others are at the start, as the object sees them when it faces its motion."""
    begin, end = trajectory.begin, trajectory.end
    ahead = trajectory.moved_m_3 * (1.0, 1.0, 0.0)
    length_m = vector_length(ahead)
    climbs = abs(trajectory.moved_m_3[2]) > 0.5 * length_m
    if trajectory.moves_margin <= 0 or not trajectory.straight or climbs or length_m < STEP_M:
        return
    ahead = ahead / length_m
    left = np.array([-ahead[1], ahead[0], 0.0])
    heading_sigma_rad = math.hypot(HEADING_SIGMA_RAD, 2**0.5 * trajectory.sigma_m / length_m)
    for other, region_id in enumerate(scene.region_ids):
        if other == trajectory.k or not scene.visible_kt[other, begin]:
            continue
        offset_m = scene.centre_m_kt3[other, begin] - trajectory.points_m_t3[0]
        level_m = np.array([offset_m @ ahead, offset_m @ left])
        axis, sign, border_margin = dominant(level_m)
        sigma_rad = np.hypot(
            heading_sigma_rad, 2**0.5 * trajectory.sigma_m / vector_length(level_m)
        )
        text = ((OWN_SIDES[1], OWN_SIDES[0]), (OWN_SIDES[3], OWN_SIDES[2]))[axis][int(sign > 0)]
        border_margin *= HEADING_SIGMA_RAD / float(sigma_rad)
        yield word(
            scene.source, "own_side", text, min(trajectory.moves_margin, border_margin), OWN_SIDES,
            frame="object", method="bearing at the start, from the direction of movement",
            region_ids=[scene.region_ids[trajectory.k], region_id], span_ns=scene.span(begin, end),
        )  # fmt: skip
