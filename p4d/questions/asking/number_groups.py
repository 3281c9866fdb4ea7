"""Exchange groups of measured numbers and of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.questions.asking.exchange_groups import Groups, most_groups
from p4d.questions.columns import Hashes, Ints, mix, radix_order, ranks, run_starts

# Groups per chunk in successive attempts: small chunks give options at any distance, large chunks
# find partners for the remaining candidates.
_CHUNKS = (1, 2, 4, 8, 16)
# In small pools partners are scarce and attempts are cheap.
_MORE_CHUNKS = (1, 2, 4, 1, 2, 4, 8, 1, 2, 4)
_SMALL_POOL = 256


@dataclass(frozen=True)
class Spacing:
    """The `option_rules.Numbers` of the family of each candidate, as columns."""

    unit: NDArray[np.float64]  # of the last written digit
    least_gap: NDArray[np.float64]
    least_ratio: NDArray[np.float64]
    most_ratio: NDArray[np.float64]

    def of(self, rows: Ints) -> Spacing:
        """Select some candidates."""
        return Spacing(
            self.unit[rows], self.least_gap[rows], self.least_ratio[rows], self.most_ratio[rows]
        )


def number_groups(
    pool: Ints,
    values: NDArray[np.float64],
    sigma: NDArray[np.float64],
    key: Hashes,
    spacing: Spacing,
    size: int,
    margin_sigma: float,
) -> Groups:
    """Draw groups of numbers or points that are far enough apart to be certain.

    Numbers too close to share a group are thinned out first, as words are. The others are tried in
    random chunks of the pool, sorted by value and combed into groups.

    Args:
        pool: of each candidate.
        values: [n, dims]; unused dimensions are zero.
        sigma: in the unit of the values.
        key: hash of each candidate.
        spacing: minimum distances between two of them.
        size: members per group.
        margin_sigma: minimum margin of every member against the options.
    """
    rows = np.arange(len(pool))
    cell = near_equal(values[:, 0], spacing.least_gap, spacing.least_ratio)
    # Points are hardly ever equal: each has a cell of its own.
    point = (values[:, 1:] != 0).any(axis=1)
    cell[point] = 2**20 + np.flatnonzero(point)
    height = np.unique(values[:, 0], return_inverse=True)[1]
    found: list[Groups] = []
    for attempt, chunk in enumerate((*_CHUNKS, *_MORE_CHUNKS)):
        if attempt == len(_CHUNKS):
            rows = rows[np.bincount(pool[rows])[pool[rows]] <= _SMALL_POOL]
        if len(rows) < size:
            break
        shuffled = rows[radix_order(mix(key[rows], attempt))]
        kept = shuffled[_thinned(cell[shuffled], pool[shuffled], size)]
        tried = _combed(kept, pool[kept], height[kept], (size, chunk))
        good = tried[_fit(tried, values, sigma, spacing, margin_sigma)]
        found.append(Groups(good, pool[good[:, 0]]))
        is_left = np.ones(len(pool), dtype=bool)
        is_left[good.ravel()] = False
        rows = rows[is_left[rows]]
    if not found:
        return Groups(np.zeros((0, size), dtype=np.int64), np.zeros(0, dtype=np.int64))
    return Groups(
        np.concatenate([g.members for g in found]), np.concatenate([g.pool for g in found])
    )


def near_equal(
    number: NDArray[np.float64],
    least_gap: NDArray[np.float64],
    least_ratio: NDArray[np.float64],
) -> Ints:
    """Return cells about as wide as the minimum distance of two options, by gap and by ratio."""
    return np.rint(np.arcsinh(number * least_ratio / least_gap) / least_ratio).astype(np.int64)


def _thinned(cell: Ints, pool: Ints, size: int) -> NDArray[np.bool_]:
    """Keep as many nearly equal numbers as groups can hold: the first of each cell of a pool."""
    order = radix_order(cell, pool)
    cell, pool = cell[order], pool[order]
    starts = run_starts(pool, cell)
    counts = np.diff(np.append(starts, len(order)))
    pools = run_starts(pool[starts])
    at = np.repeat(np.arange(len(pools)), np.diff(np.append(pools, len(starts))))
    by_count = radix_order(counts, at)
    most = most_groups(at[by_count], counts[by_count], len(pools), size)
    kept = np.empty(len(order), dtype=bool)
    kept[order] = np.arange(len(order)) - np.repeat(starts, counts) < np.repeat(most[at], counts)
    return kept


def _combed(rows: Ints, pool: Ints, height: Ints, shape: tuple[int, int]) -> Ints:
    """Arrange rows as groups [groups, size], chunk by chunk, in the order of each pool.

    Within a chunk sorted by value, the members of a group are evenly spaced.

    Args:
        rows: shuffled.
        pool: of each.
        height: rank of the value of each.
        shape: members per group, groups per chunk.
    """
    size, chunk = shape
    order = radix_order(pool)
    pool = pool[order]
    counts = np.diff(np.append(run_starts(pool), len(pool)))
    place = ranks(pool)
    usable = place < np.repeat(counts // size * size, counts)
    order, pool, place = order[usable], pool[usable], place[usable]
    starts = run_starts(pool, place // (size * chunk))
    lengths = np.diff(np.append(starts, len(order)))
    run = np.repeat(np.arange(len(starts)), lengths)
    order = order[radix_order(height[order], run)]
    place = np.arange(len(order)) - starts[run]
    teeth = lengths[run] // size
    groups = np.empty(len(order), dtype=np.int64)
    groups[starts[run] + place % teeth * size + place // teeth] = rows[order]
    return groups.reshape(-1, size)


def _fit(
    groups: Ints, values: NDArray, sigma: NDArray, spacing: Spacing, margin_sigma: float
) -> NDArray[np.bool_]:
    """Return which groups have numbers that are apart, of one scale, and certain."""
    if not len(groups):
        return np.zeros(0, dtype=bool)
    first, second = np.triu_indices(groups.shape[1], 1)
    exact = values[groups]
    point = (exact[..., 1:] != 0).any(axis=(1, 2))
    apart = np.abs(exact[:, first, 0] - exact[:, second, 0])
    apart[point] = np.linalg.norm(exact[point][:, first] - exact[point][:, second], axis=-1)
    good = apart.min(axis=1) >= spacing.least_gap[groups[:, 0]]
    # Few groups are left for the more expensive conditions.
    groups, exact, apart, point = groups[good], exact[good], apart[good], point[good]
    of = spacing.of(groups[:, 0])
    written = np.rint(exact / of.unit[:, None, None]) * of.unit[:, None, None]
    sizes = np.abs(written[..., 0])
    larger = np.maximum(sizes[:, first], sizes[:, second])
    in_proportion = (apart >= of.least_ratio[:, None] * larger - 1e-9).all(axis=1)
    nonzero = np.where(sizes > 1e-9, sizes, np.inf)
    least, most = nonzero.min(axis=1), sizes.max(axis=1)
    of_one_scale = (least == np.inf) | (most <= of.most_ratio * least + 1e-9)
    certain = _margins(exact, written, sigma[groups]).min(axis=1) >= margin_sigma
    good[good] = (point | (in_proportion & of_one_scale)) & certain
    return np.asarray(good)


def _margins(
    exact: NDArray[np.float64], written: NDArray[np.float64], sigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the lead of the nearest written number over the next, in sigmas, [groups, size]."""
    distance = np.linalg.norm(exact[:, :, None] - written[:, None, :], axis=-1)
    distance.sort(axis=-1)
    return np.asarray((distance[..., 1] - distance[..., 0]) / sigma)


def number_margins(
    groups: Ints, values: NDArray, sigma: NDArray, spacing: Spacing
) -> NDArray[np.float64]:
    """Return the margins of the members of groups, [groups, size]."""
    unit = spacing.unit[groups[:, :1]][..., None]
    exact = values[groups]
    return _margins(exact, np.rint(exact / unit) * unit, sigma[groups])
