"""Facts that compare all marked objects: ranks, extremes and counts.

A rank is as certain as the closest of its comparisons. Extremes are measured only in clips with
four marks, so that each of four options names a marked object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from p4d.config import FactsParams
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.trajectory import Trajectory
from p4d.questions.facts.scene.turns import TURN_SIGMA_RAD
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import OBJECTS

MARKS_TO_CHOOSE_FROM = 4


def rank_fact(
    scene: Scene,
    kind: str,
    k: int,
    ahead: Sequence[float],
    span_ns: tuple[int, int],
    *,
    frame: str,
    method: str,
) -> Fact:
    """Return how many others come before object `k`; `ahead` is positive for those, in sigmas."""
    margin = min((abs(value) for value in ahead), default=0.0)
    return quantity(
        scene.source, kind, sum(value > 0 for value in ahead), 1.0 / max(margin, 1e-6),
        unit="count", frame=frame, method=method, region_ids=[scene.region_ids[k]],
        span_ns=span_ns,
    )  # fmt: skip


def extreme_fact(
    scene: Scene,
    kind: str,
    values: Sequence[float],
    sigmas: Sequence[float],
    span_ns: tuple[int, int],
    *,
    frame: str,
    method: str,
) -> Fact:
    """Return which object has the smallest value, as `object k` with the number of its mark."""
    # NaN comes last, as in a sort of numpy.
    first, second = sorted(range(len(values)), key=lambda k: (values[k] != values[k], values[k]))[
        :2
    ]
    margin = (values[second] - values[first]) / math.hypot(sigmas[first], sigmas[second])
    return word(
        scene.source, kind, OBJECTS[first], margin, OBJECTS, frame=frame,
        method=f"{method}, least of all marked", region_ids=scene.region_ids,
        span_ns=span_ns,
    )  # fmt: skip


def interval_comparisons(
    scene: Scene,
    trajectories: Sequence[Trajectory],
    moving: Sequence[Fact],
    frames: tuple[int, int],
    params: FactsParams,
) -> Iterator[Fact]:
    """Compare all marked objects, and each three of them, between two frames.

    Args:
        scene: the geometry.
        trajectories: of all objects, between the two frames.
        moving: the facts of that kind of all objects.
        frames: first and last.
        params: thresholds.
    """
    span_ns = scene.span(*frames)
    for trio in combinations(range(len(trajectories)), 3):
        facts = [moving[k] for k in trio]
        yield quantity(
            scene.source, "moving_of_three", sum(fact.value for fact in facts),
            max(fact.sigma for fact in facts), unit="count", frame="world",
            method="sum of `moving`", region_ids=[scene.region_ids[k] for k in trio],
            span_ns=span_ns,
        )  # fmt: skip
    turns_rad = [scene.turn(t.k, t.begin, t.end).total_rad for t in trajectories]
    yield _count_beyond(
        scene, "turning_count",
        [(rad - params.turning_threshold_rad) / TURN_SIGMA_RAD for rad in turns_rad],
        span_ns, "angles turned, beyond the threshold",
    )  # fmt: skip
    yield _count_beyond(
        scene, "going_count", [t.moves_margin for t in trajectories], span_ns,
        "changes of place, beyond it",
    )  # fmt: skip
    yield from _ranks_and_extremes(scene, trajectories, frames)


def _count_beyond(
    scene: Scene, kind: str, margins: Sequence[float], span_ns: tuple[int, int], method: str
) -> Fact:
    """Count the objects with a positive margin, as certain as the smallest margin."""
    least = min((abs(margin) for margin in margins), default=0.0)
    return quantity(
        scene.source, kind, sum(margin > 0 for margin in margins), 1.0 / max(least, 1e-6),
        unit="count", frame="world", method=method, region_ids=scene.region_ids, span_ns=span_ns,
    )  # fmt: skip


def _ranks_and_extremes(
    scene: Scene, trajectories: Sequence[Trajectory], frames: tuple[int, int]
) -> Iterator[Fact]:
    """Which objects are faster, which is the fastest, and which comes closest to the camera."""
    span_ns = scene.span(*frames)
    sigmas = [2**0.5 * t.sigma_m for t in trajectories]
    for one in trajectories:
        longer = [
            (other.path_m - one.path_m) / math.hypot(sigmas[other.k], sigmas[one.k])
            for other in trajectories
            if other is not one
        ]
        yield rank_fact(
            scene, "faster_count", one.k, longer, span_ns, frame="world",
            method="marked objects with a longer path in the same time",
        )  # fmt: skip
    if len(trajectories) == MARKS_TO_CHOOSE_FROM:
        yield extreme_fact(
            scene, "fastest", [-t.path_m for t in trajectories], sigmas, span_ns, frame="world",
            method="negative path lengths in the same time",
        )  # fmt: skip
        begin, end = frames
        closest = [float(scene.range_m_kt[t.k, begin : end + 1].min()) for t in trajectories]
        yield extreme_fact(
            scene, "comes_closest", closest, sigmas, span_ns, frame="camera_at",
            method="least distances to the camera at any frame",
        )  # fmt: skip
