"""Facts that compare all marked objects: ranks, extremes and counts.

A rank is as certain as the closest of its comparisons. Extremes are measured only in clips with
four marks, so that each of four options names a marked object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from p4d.questions.facts.blocks import (
    Bools,
    FactBlock,
    FactRows,
    Floats,
    Ints,
    each,
    together,
    trios,
    word_sigma,
)
from p4d.questions.facts.exact.motion_facts import moving_margin
from p4d.questions.facts.scene.margins import least
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.facts.scene.turns import TURN_SIGMA_RAD
from p4d.questions.facts.vocabulary import OBJECTS

MARKS_TO_CHOOSE_FROM = 4


@lru_cache
def others(objects: int) -> Ints:
    """All objects but one, for each, [K, K - 1]."""
    rows = [[o for o in range(objects) if o != k] for k in range(objects)]
    return np.array(rows, np.int64).reshape(objects, max(0, objects - 1))


def rank_fact(
    rows: FactRows,
    kind: str,
    ahead_ko: Floats,
    *,
    frame: str,
    method: str,
    where: Bools | None = None,
) -> FactBlock:
    """Return how many others come before each object.

    `ahead_ko`: [..., K, K - 1], positive for those that do, in sigmas.
    """
    sigma_k = 1.0 / np.maximum(least(ahead_ko), 1e-6)
    return rows.quantity(
        kind, (ahead_ko > 0).sum(axis=-1), sigma_k, about=each(ahead_ko.shape[-2]), unit="count",
        frame=frame, method=method, where=where,
    )  # fmt: skip


def extreme_fact(
    rows: FactRows,
    kind: str,
    values_k: Floats,
    sigmas_k: Floats,
    *,
    frame: str,
    method: str,
    where: Bools | None = None,
) -> FactBlock:
    """Return which object has the smallest value, as `object k` with the number of its mark."""
    # NaN comes last.
    order = np.argsort(values_k, axis=-1, kind="stable")[..., :2]
    first, second = np.moveaxis(np.take_along_axis(values_k, order, axis=-1), -1, 0)
    sigma = np.hypot.reduce(np.take_along_axis(np.broadcast_to(sigmas_k, values_k.shape),
                                               order, axis=-1), axis=-1)  # fmt: skip
    return rows.word(
        kind, order[..., :1], ((second - first) / sigma)[..., None], OBJECTS,
        about=together(values_k.shape[-1]), frame=frame, method=f"{method}, least of all marked",
        where=where,
    )  # fmt: skip


def interval_comparisons(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Compare all marked objects, and each three of them, between two frames."""
    about = trios(paths.scenes.objects)
    margin_ck = moving_margin(paths)
    yield rows.quantity(
        "moving_of_three", (margin_ck > 0)[:, about].sum(axis=-1),
        word_sigma(np.abs(margin_ck))[:, about].max(axis=-1), about=about,
        unit="count", frame="world", method="sum of `moving`",
    )  # fmt: skip
    turned_rad_ck = paths.scenes.turns(paths.begin, paths.end).total_rad
    yield _count_beyond(
        rows, "turning_count",
        (turned_rad_ck - paths.params.turning_threshold_rad) / TURN_SIGMA_RAD,
        "angles turned, beyond the threshold",
    )  # fmt: skip
    yield _count_beyond(rows, "going_count", paths.moves_margin_ck, "changes of place, beyond it")
    yield from _ranks_and_extremes(rows, paths)


def _count_beyond(rows: FactRows, kind: str, margin_ck: Floats, method: str) -> FactBlock:
    """Count the objects with a positive margin, as certain as the smallest margin."""
    sigma_c = 1.0 / np.maximum(least(margin_ck), 1e-6)
    return rows.quantity(
        kind, (margin_ck > 0).sum(axis=1)[:, None], sigma_c[:, None],
        about=together(margin_ck.shape[1]), unit="count", frame="world", method=method,
    )  # fmt: skip


def _ranks_and_extremes(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Which objects are faster, which is the fastest, and which comes closest to the camera."""
    objects = paths.scenes.objects
    sigma_m_ck = 2**0.5 * paths.sigma_m_ck
    k_k1, o_ko = each(objects), others(objects)
    longer_m = paths.path_m_ck[:, o_ko] - paths.path_m_ck[:, k_k1]
    yield rank_fact(
        rows, "faster_count", longer_m / np.hypot(sigma_m_ck[:, o_ko], sigma_m_ck[:, k_k1]),
        frame="world", method="marked objects with a longer path in the same time",
    )  # fmt: skip
    if objects == MARKS_TO_CHOOSE_FROM:
        yield extreme_fact(
            rows, "fastest", -paths.path_m_ck, sigma_m_ck, frame="world",
            method="negative path lengths in the same time",
        )  # fmt: skip
        yield extreme_fact(
            rows, "comes_closest", paths.range_m_ckt.min(axis=-1), sigma_m_ck, frame="camera_at",
            method="least distances to the camera at any frame",
        )  # fmt: skip
