"""Facts of two trajectories: how their distance changes, and which object moves or stops first."""

from __future__ import annotations

import math
from collections.abc import Iterator

from p4d.config import FactsParams
from p4d.questions.facts.exact.trajectory_facts import trend
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import row_lengths
from p4d.questions.facts.scene.trajectory import Trajectory, onsets_apart
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import (
    BOTH,
    FORMER,
    KEEP_MOVING,
    LATTER,
    NEITHER,
    NEVER_MOVE,
    PAIR,
    RESTS,
    TRENDS,
)


def pair_facts(
    scene: Scene, one: Trajectory, other: Trajectory, params: FactsParams
) -> Iterator[Fact]:
    """Yield the facts of two trajectories between the same frames."""
    begin, end = one.begin, one.end
    span_ns, pair = scene.span(begin, end), [scene.region_ids[one.k], scene.region_ids[other.k]]
    gap_m_t = row_lengths(one.points_m_t3 - other.points_m_t3)
    sigma_m = 2**0.5 * math.hypot(one.sigma_m, other.sigma_m)
    text, margin = trend(gap_m_t, params.moving_threshold_m, sigma_m, scene.rest_sigma_m)
    yield word(
        scene.source, "gap_trend", text, margin, TRENDS, frame="world",
        method="distance of the centres at each frame", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip
    if scene.metric and begin == 0 and end == len(scene.time_ns) - 1:
        yield quantity(
            scene.source, "least_distance", float(gap_m_t.min()), sigma_m / 2**0.5, unit="m",
            frame="world", method="least distance of the centres at any frame", region_ids=pair,
            span_ns=span_ns,
        )  # fmt: skip
    text, margin = _moves_first(one, other)
    yield word(
        scene.source, "moves_first", text, margin, PAIR, frame="world",
        method="first steps that change place", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip
    text, margin = _rests_first(one, other)
    yield word(
        scene.source, "rests_first", text, margin, RESTS, frame="world",
        method="last steps that change place", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip


def _moves_first(one: Trajectory, other: Trajectory) -> tuple[str, float]:
    """Return which begins to move first; onsets in neighbouring steps are not separated."""
    sure = min(abs(one.moves_margin), abs(other.moves_margin))
    if not (one.any_moves and other.any_moves):
        return FORMER if one.any_moves else LATTER if other.any_moves else NEITHER, sure
    first, second = one.start, other.start
    if first.frame == second.frame:
        # Only motion from the very start is certain to be simultaneous.
        return BOTH, min(sure, first.margin, second.margin) if first.frame == 0 else 0.0
    return FORMER if first.frame < second.frame else LATTER, min(sure, onsets_apart(first, second))


def _rests_first(one: Trajectory, other: Trajectory) -> tuple[str, float]:
    """Return which comes to rest first, of two that move or two that do not."""
    sure = min(abs(one.moves_margin), abs(other.moves_margin))
    if not one.any_moves and not other.any_moves:
        return NEVER_MOVE, sure
    if not (one.any_moves and other.any_moves):
        return NEVER_MOVE, 0.0  # an object that never moved does not come to rest
    last, second = one.stop, other.stop
    if last.frame == second.frame == 0:
        return KEEP_MOVING, min(sure, last.margin, second.margin)
    return FORMER if last.frame > second.frame else LATTER, min(sure, onsets_apart(last, second))
