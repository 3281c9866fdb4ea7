"""Exchange groups: why the text alone cannot reveal an answer.

Questions are asked in groups. The members of a group read alike (same family, interval and split)
and share one set of options: the members' own answers, so each option is right once. The letters
are dealt so that each is right once, too, and the wrong options are shuffled. So for any answers of
a corpus, given question and options, each option is right equally often. Word priors, number
priors, ranks and letters are flat at once, by construction. Candidates without partners are not
asked.

No other choice of wrong options is both safe and more generous. To keep a text-only reader at
chance, each option of a set must be right equally often. So in `G` groups with `s` options no word
may be right in more than `G` questions, and `sum over words of min(count, G)` must reach `s * G`.
Words are drawn so that the largest such `G` is reached: lay the candidates of the words end to end,
rare words first, at most `G` of each, and give place `p` to group `p mod G`. A word fills at most
`G` consecutive places, so no group gets it twice (McNaughton's rule for machines). Invented
distractors, or groups across intervals or families, would only hide how an answer depends on the
text. What helps rare answers is more candidates: more instants and intervals, which are pools of
their own, and pairs asked in both orders.

A group split between train and test would leak: the part in train shows which options are left for
test. So groups are drawn within a split, and the release leaves out incomplete groups.

All functions work on columns of candidates and are independent of their order: ties are broken by
hashes of content.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.questions.columns import Ints, radix_order, ranks, run_starts


@dataclass(frozen=True)
class Groups:
    """Groups of equal size.

    Attributes:
        members: rows of candidates, [groups, size].
        pool: of each group.
        same_text: whether the members of a group share phrasing and order of options, too. Those of
            clips with equal pictures do: only the times of the frames then differ.
    """

    members: Ints
    pool: Ints
    same_text: bool = False


def _collect(place: Ints, pool: Ints, number: Ints, size: int) -> Groups:
    """Collect the rows of equal (pool, number); each such pair has `size` of them."""
    order = radix_order(place, number, pool)
    members = place[order].reshape(-1, size)
    return Groups(members, pool[order].reshape(-1, size)[:, 0])


def word_groups(
    pool: Ints, word: Ints, turn: NDArray, size: int, always: tuple[int, ...] = ()
) -> Groups:
    """Draw as many groups of `size` different words as the pools allow.

    Args:
        pool: of each candidate.
        word: of each candidate.
        turn: order among equal words of a pool.
        size: options per question, which is members per group.
        always: words that every group must have.
    """
    # Runs of equal words per pool, from the rarest to the most frequent.
    order = radix_order(turn, word, pool)
    starts = run_starts(pool[order], word[order])
    counts = np.diff(np.append(starts, len(order)))
    run_pool, run_word = pool[order][starts], word[order][starts]
    fixed = np.isin(run_word, always)
    pools = np.unique(run_pool)
    at = np.searchsorted(pools, run_pool)
    by_count = np.lexsort((run_word, counts, at))
    free = by_count[~fixed[by_count]]
    wanted = size - len(always)
    groups = most_groups(at[free], counts[free], len(pools), wanted)
    for one in always:
        found = np.zeros(len(pools), dtype=np.int64)
        found[at[run_word == one]] = counts[run_word == one]
        groups = np.minimum(groups, found)
    # Where each run begins in the row that is dealt to the groups in turn.
    taken = np.minimum(counts, groups[at])
    offset = np.zeros(len(starts), dtype=np.int64)
    before = np.cumsum(taken[free]) - taken[free]
    first = run_starts(at[free])
    before -= np.repeat(before[first], np.diff(np.append(first, len(free))))
    offset[free] = before
    taken[free] = np.clip(wanted * groups[at[free]] - before, 0, taken[free])
    rank = ranks(pool[order], word[order])
    run = np.repeat(np.arange(len(starts)), counts)
    chosen = rank < taken[run]
    run, rank = run[chosen], rank[chosen]
    number = (offset[run] + rank) % groups[at[run]]
    return _collect(order[chosen], run_pool[run], number, size)


def most_groups(pool: Ints, counts: Ints, pools: int, size: int) -> Ints:
    """Return the largest number of groups per pool.

    If the `j` most frequent words are in every group, the other words must fill the rest.

    Args:
        pool: place of the pool of each word, sorted.
        counts: candidates per word, ascending within a pool.
        pools: number of pools.
        size: words per group.
    """
    words = np.bincount(pool, minlength=pools)
    from_top = words[pool] - 1 - ranks(pool)
    bounds = [
        np.bincount(pool[from_top >= j], weights=counts[from_top >= j], minlength=pools)
        // (size - j)
        for j in range(size)
    ]
    return np.min(bounds, axis=0).astype(np.int64)


def count_groups(pool: Ints, count: Ints, turn: NDArray, size: int) -> Groups:
    """Draw groups of consecutive integers, from the highest down.

    This leaves the fewest candidates without partners: the highest integer of a window is in no
    lower window, so using as many of it as possible never costs a group.

    Args:
        pool: of each candidate.
        count: of each candidate.
        turn: order among equal counts of a pool.
        size: options per question.
    """
    order = radix_order(turn, count, pool)
    pools, at = np.unique(pool[order], return_inverse=True)
    value = count[order]
    rank = ranks(pool[order], value)
    highest = int(value.max(initial=-1))
    left = np.zeros((len(pools), highest + 1), dtype=np.int64)
    np.add.at(left, (at, value), 1)
    used = np.zeros_like(left)
    number = np.full(len(order), -1, dtype=np.int64)
    groups = np.zeros(len(pools), dtype=np.int64)
    for high in range(highest, size - 2, -1):
        window = slice(high - size + 1, high + 1)
        drawn = left[:, window].min(axis=1)
        inside = (value >= window.start) & (value < window.stop)
        mine, mine_value = at[inside], value[inside]
        place = rank[inside] - used[mine, mine_value]
        hit = (place >= 0) & (place < drawn[mine])
        number[np.flatnonzero(inside)[hit]] = groups[mine[hit]] + place[hit]
        left[:, window] -= drawn[:, None]
        used[:, window] += drawn[:, None]
        groups += drawn
    chosen = number >= 0
    return _collect(order[chosen], pool[order][chosen], number[chosen], size)
