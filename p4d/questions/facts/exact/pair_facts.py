"""Facts of two trajectories: how their distance changes, and which object moves or stops first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import FactBlock, FactRows, Ints, pairs
from p4d.questions.facts.exact.trajectory_facts import trend
from p4d.questions.facts.scene.margins import row_lengths
from p4d.questions.facts.scene.trajectories import Trajectories, onsets_apart
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


def pair_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield the facts of every two trajectories between the same frames."""
    about = pairs(paths.scenes.objects)
    one, other = about.T
    gap_m_cpt = row_lengths(paths.points_m_ckt3[:, one] - paths.points_m_ckt3[:, other])
    both_m_cp = np.hypot(paths.sigma_m_ck[:, one], paths.sigma_m_ck[:, other])
    trend_cp, margin_cp = trend(
        gap_m_cpt, paths.params.moving_threshold_m, 2**0.5 * both_m_cp,
        paths.scenes.rest_sigma_m_c[:, None],
    )  # fmt: skip
    yield rows.word(
        "gap_trend", trend_cp, margin_cp, TRENDS, about=about, frame="world",
        method="distance of the centres at each frame",
    )  # fmt: skip
    if paths.whole:
        yield rows.quantity(
            "least_distance", gap_m_cpt.min(axis=-1), both_m_cp, about=about, unit="m",
            frame="world", method="least distance of the centres at any frame",
            where=paths.scenes.metric_c[:, None],
        )  # fmt: skip
    yield _moves_first(rows, paths, about)
    yield _rests_first(rows, paths, about)


def _moves_first(rows: FactRows, paths: Trajectories, about: Ints) -> FactBlock:
    """Which begins to move first; onsets in neighbouring steps are not separated."""
    one, other = about.T
    former, latter, both, neither = map(PAIR.index, (FORMER, LATTER, BOTH, NEITHER))
    first, second = paths.start.of(one), paths.start.of(other)
    former_moves, latter_moves = paths.any_moves_ck[:, one], paths.any_moves_ck[:, other]
    earlier, same = first.frame_ck < second.frame_ck, first.frame_ck == second.frame_ck
    both_sure = np.minimum(first.margin_ck, second.margin_ck)
    # Only motion from the very start is certain to be simultaneous.
    at_once = np.where(first.frame_ck == 0, both_sure, 0.0)
    ordered = np.where(same, at_once, onsets_apart(first, second))
    both_move = former_moves & latter_moves
    return rows.word(
        "moves_first",
        np.where(both_move, np.where(same, both, np.where(earlier, former, latter)),
                 np.where(former_moves, former, np.where(latter_moves, latter, neither))),
        np.minimum(_sure(paths, about), np.where(both_move, ordered, np.inf)), PAIR, about=about,
        frame="world", method="first steps that change place",
    )  # fmt: skip


def _rests_first(rows: FactRows, paths: Trajectories, about: Ints) -> FactBlock:
    """Which comes to rest first, of two that move or two that do not."""
    one, other = about.T
    former, latter, keep, never = map(RESTS.index, (FORMER, LATTER, KEEP_MOVING, NEVER_MOVE))
    last, second = paths.stop.of(one), paths.stop.of(other)
    former_moves, latter_moves = paths.any_moves_ck[:, one], paths.any_moves_ck[:, other]
    both_move, none_moves = former_moves & latter_moves, ~former_moves & ~latter_moves
    keep_moving = (last.frame_ck == 0) & (second.frame_ck == 0)
    ordered = np.where(keep_moving, np.minimum(last.margin_ck, second.margin_ck),
                       onsets_apart(last, second))  # fmt: skip
    order = np.where(last.frame_ck > second.frame_ck, former, latter)
    # An object that never moved does not come to rest.
    known = np.where(both_move, ordered, np.where(none_moves, np.inf, 0.0))
    return rows.word(
        "rests_first", np.where(both_move, np.where(keep_moving, keep, order), never),
        np.minimum(_sure(paths, about), known), RESTS, about=about, frame="world",
        method="last steps that change place",
    )  # fmt: skip


def _sure(paths: Trajectories, about: Ints) -> np.ndarray:
    """How certain it is of both objects whether they move."""
    return np.asarray(np.abs(paths.moves_margin_ck)[:, about].min(axis=-1))
