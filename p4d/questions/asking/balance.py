"""Exchange groups: why the text alone cannot tell an answer.

Questions are asked in groups. The members of a group read alike (same family, interval and split)
and share one set of options, which are exactly the members' own answers: each option is right once.
The letters are dealt out so that each is right once, too, and the wrong options are shuffled. So
whatever the answers of a corpus are, given question and options each option is right equally often:
word priors, number priors, ranks and letters are flat at once, by construction. Candidates without
partners are not asked.

No other way of choosing wrong options is both safe and more generous. To leave a reader of texts at
chance, each option of a set must be right equally often; so of `G` groups with `s` options no word
may be right in more than `G` questions, and `sum over words of min(count, G)` must reach `s * G`.
Words are drawn so that the largest such `G` is reached: lay the words' candidates end to end, rare
words first, at most `G` of each, and give place `p` to group `p mod G`. A word fills at most `G`
places in a row, so no group gets it twice (McNaughton's rule for machines). Invented distractors,
or groups across intervals or families, would only hide how an answer depends on what the text does
say. What helps rare answers instead is more candidates: more instants and intervals, which are
pools of their own, and pairs asked both ways round.

A group torn apart by the split would tell: the part in train shows which options are left for
test. So groups are drawn within a split, and the release leaves out what is torn all the same.

Everything here works on columns of candidates and is independent of their order: ties are broken
by hashes of content.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.ids import seed_for

LETTERS = "ABCDE"

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# Candidates per chunk over group size, one try after the other: small chunks give options that
# happen to lie near or far, large ones find partners for what is left.
_CHUNKS = (1, 2, 4, 8, 16)
# In small pools partners are scarce, and more tries cost nothing.
_MORE_CHUNKS = (1, 2, 4, 1, 2, 4, 8, 1, 2, 4)
_SMALL_POOL = 256


def mix(*parts: NDArray | int | str) -> Hashes:
    """A 64-bit hash of columns and constants (splitmix64), the same on every machine."""
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            if isinstance(part, np.ndarray):
                column = part.astype(np.uint64)
            else:
                column = np.array([seed_for(part)], dtype=np.uint64)
            state = state * np.uint64(0x9E3779B97F4A7C15) + column + np.uint64(0x632BE59BD9B4E019)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def radix_order(*keys: NDArray) -> Ints:
    """Order of rows by integer columns, the last one first: `np.lexsort`, for codes of few values.

    Sixteen bits at a time, from the least of the first column: numpy orders those by counting.
    """
    order = np.arange(len(keys[0]))
    if not len(order):
        return order
    for key in keys:
        rest = (key - key.min()).astype(np.uint64)
        for shift in range(0, int(rest.max()).bit_length(), 16):
            digit = (rest >> np.uint64(shift)).astype(np.uint16)
            order = order[np.argsort(digit[order], kind="stable")]
    return order


def run_starts(*columns: NDArray) -> Ints:
    """First places of the runs of equal rows in sorted columns."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.int64)
    changes = np.ones(len(columns[0]), dtype=bool)
    changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(changes)


def ranks(*columns: NDArray) -> Ints:
    """Place of each row within its run of equal rows in sorted columns."""
    starts = run_starts(*columns)
    lengths = np.diff(np.append(starts, len(columns[0])))
    return np.arange(len(columns[0])) - np.repeat(starts, lengths)


@dataclass(frozen=True)
class Groups:
    """Groups of equal size: rows of candidates, [groups, size], and the pool of each."""

    members: Ints
    pool: Ints


def _collect(place: Ints, pool: Ints, number: Ints, size: int) -> Groups:
    """Rows of candidates of equal (pool, number); each such pair has `size` of them."""
    order = radix_order(place, number, pool)
    members = place[order].reshape(-1, size)
    return Groups(members, pool[order].reshape(-1, size)[:, 0])


def word_groups(
    pool: Ints, word: Ints, turn: NDArray, size: int, always: tuple[int, ...] = ()
) -> Groups:
    """The most groups of `size` different words that the pools allow.

    Args:
        pool: of each candidate.
        word: of each candidate.
        turn: who goes first among equal words of a pool.
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
    groups = _most_groups(at[free], counts[free], len(pools), wanted)
    for one in always:
        found = np.zeros(len(pools), dtype=np.int64)
        found[at[run_word == one]] = counts[run_word == one]
        groups = np.minimum(groups, found)
    # Where each run begins in the row that is dealt out to the groups in turn.
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


def _most_groups(pool: Ints, counts: Ints, pools: int, size: int) -> Ints:
    """Per pool the most groups: with the `j` most frequent words in each, the rest must fill them.

    Args:
        pool: place of the pool of each word, sorted.
        counts: candidates per word, ascending within a pool.
        pools: how many there are.
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
    """Groups of consecutive integers, from the highest down: it leaves the fewest without partners.

    A window's highest integer serves no lower window, so taking as many of it as can be never costs
    a group.

    Args:
        pool: of each candidate.
        count: of each candidate.
        turn: who goes first among equal counts of a pool.
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


@dataclass(frozen=True)
class Spacing:
    """Per candidate, what `distractors.Numbers` says of its family."""

    unit: NDArray[np.float64]  # of the last written digit
    least_gap: NDArray[np.float64]
    least_ratio: NDArray[np.float64]
    most_ratio: NDArray[np.float64]

    def of(self, rows: Ints) -> Spacing:
        """For some candidates."""
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
    """Groups of numbers or points that may stand side by side and are told apart for certain.

    Numbers so near to each other that they cannot share a group are thinned out first, as words
    are. What is left is tried in random chunks of the pool, sorted by value and combed into groups.

    Args:
        pool: of each candidate.
        values: [n, dims]; unused dimensions are zero.
        sigma: in the unit of the values.
        key: hash of each candidate.
        spacing: what must lie between two of them.
        size: members per group.
        margin_sigma: least margin of every member against the options.
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
    """Cells about as wide as two options must lie apart: by a gap, and in proportion."""
    return np.rint(np.arcsinh(number * least_ratio / least_gap) / least_ratio).astype(np.int64)


def _thinned(cell: Ints, pool: Ints, size: int) -> NDArray[np.bool_]:
    """Of equal numbers, as many as groups can have: the first ones of each cell of a pool."""
    order = radix_order(cell, pool)
    cell, pool = cell[order], pool[order]
    starts = run_starts(pool, cell)
    counts = np.diff(np.append(starts, len(order)))
    pools = run_starts(pool[starts])
    at = np.repeat(np.arange(len(pools)), np.diff(np.append(pools, len(starts))))
    by_count = radix_order(counts, at)
    most = _most_groups(at[by_count], counts[by_count], len(pools), size)
    kept = np.empty(len(order), dtype=bool)
    kept[order] = np.arange(len(order)) - np.repeat(starts, counts) < np.repeat(most[at], counts)
    return kept


def _combed(rows: Ints, pool: Ints, height: Ints, shape: tuple[int, int]) -> Ints:
    """Rows as groups [groups, size] from chunks of so many groups, the first rows of a pool first.

    Within a chunk, the members of a group lie a chunk's groups apart in the order of values.

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
    """Which groups have all their numbers apart, of one scale, and certain."""
    if not len(groups):
        return np.zeros(0, dtype=bool)
    first, second = np.triu_indices(groups.shape[1], 1)
    exact = values[groups]
    point = (exact[..., 1:] != 0).any(axis=(1, 2))
    apart = np.abs(exact[:, first, 0] - exact[:, second, 0])
    apart[point] = np.linalg.norm(exact[point][:, first] - exact[point][:, second], axis=-1)
    good = apart.min(axis=1) >= spacing.least_gap[groups[:, 0]]
    # Few are left, and the rest costs more.
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
    """Lead of the nearest written number over the next one, in sigmas, [groups, size]."""
    distance = np.linalg.norm(exact[:, :, None] - written[:, None, :], axis=-1)
    distance.sort(axis=-1)
    return np.asarray((distance[..., 1] - distance[..., 0]) / sigma)


def number_margins(
    groups: Ints, values: NDArray, sigma: NDArray, spacing: Spacing
) -> NDArray[np.float64]:
    """Margins of the members of groups, [groups, size]."""
    unit = spacing.unit[groups[:, :1]][..., None]
    exact = values[groups]
    return _margins(exact, np.rint(exact / unit) * unit, sigma[groups])


def within_shares(
    clips: Ints, categories: Ints, most: tuple[int, int], per_clip: int, per_category: int
) -> NDArray[np.bool_]:
    """Which groups are asked if no clip may get more than its share, in all and per category.

    Groups are taken in the order given; one whose clips have no room is left out. Decided for many
    groups at once, with the result of going through them one by one.

    Args:
        clips: clip of each member, [groups, size]; the number of clips itself stands for no clip,
            which always has room.
        categories: of each group.
        most: how many clips and how many categories there are.
        per_clip: most questions of a clip.
        per_category: most questions of a clip and category.
    """
    asked = np.zeros(len(clips), dtype=bool)
    size = clips.shape[1] if len(clips) else 1
    n_clips, n_categories = most
    room_all = np.full(n_clips + 1, per_clip, dtype=np.int64)
    room_some = np.full((n_clips + 1) * n_categories, per_category, dtype=np.int64)
    room_all[n_clips:] = room_some[n_clips * n_categories :] = np.iinfo(np.int64).max // 2
    open_groups = np.arange(len(clips))
    while len(open_groups):
        member_clip = clips[open_groups].ravel()
        member_some = member_clip * n_categories + np.repeat(categories[open_groups], size)
        place_all = _places(member_clip)
        place_some = _places(member_some)
        fits = (place_all < room_all[member_clip]) & (place_some < room_some[member_some])
        taken = fits.reshape(-1, size).all(axis=1)
        asked[open_groups[taken]] = True
        flat = np.repeat(taken, size)
        room_all -= np.bincount(member_clip[flat], minlength=len(room_all))
        room_some -= np.bincount(member_some[flat], minlength=len(room_some))
        # What cannot fit even alone never will: rooms only shrink.
        need_all = _shares_of_own(member_clip.reshape(-1, size))
        alone = (need_all <= room_all[clips[open_groups]]).all(axis=1) & (
            need_all <= room_some[member_some.reshape(-1, size)]
        ).all(axis=1)
        open_groups = open_groups[~taken & alone]
    return asked


def _places(column: Ints) -> Ints:
    """How many equal entries come before each."""
    order = radix_order(column)
    places = np.empty(len(column), dtype=np.int64)
    places[order] = ranks(column[order])
    return places


def _shares_of_own(clips: Ints) -> Ints:
    """How many members of its group have the clip of each member."""
    return np.asarray((clips[:, :, None] == clips[:, None, :]).sum(axis=2))


def deal(groups: Ints, key: Hashes) -> tuple[Ints, Ints]:
    """Letters and orders of options.

    Args:
        groups: members, [groups, size].
        key: hash of every candidate.

    Returns:
        The place of each member's answer, [groups, size]: each place once per group; and whose
        answer stands at each place of each member's options, [groups, size, size].
    """
    n, size = groups.shape
    # By key, so that neither the order of candidates nor of answers decides.
    by_key = np.argsort(key[groups], axis=1)
    sorted_keys = np.take_along_axis(key[groups], by_key, axis=1)
    together = np.zeros(n, dtype=np.uint64)
    for column in range(size):
        together = mix(together, sorted_keys[:, column])
    chance = np.stack([mix(together, slot) for slot in range(size)], axis=1)
    letters_by_key = np.argsort(chance, axis=1, kind="stable")
    letters = np.empty_like(letters_by_key)
    np.put_along_axis(letters, by_key, letters_by_key, axis=1)
    # Every member draws an order of the others.
    chance = np.stack(
        [mix(key[groups], together[:, None], key[groups[:, [slot]]]) for slot in range(size)],
        axis=2,
    )
    return letters, _orders(chance, letters)


def _orders(chance: Hashes, letters: Ints) -> Ints:
    """[groups, size, size]: at each place, which member's answer; own answers at their letter."""
    n, size, _ = chance.shape
    own = np.broadcast_to(np.arange(size)[None, :, None], (n, size, 1))
    # Own answers last, so that the first `size - 1` are the wrong ones in random order.
    chance = chance.copy()
    np.put_along_axis(chance, own, np.uint64(2**64 - 1), axis=2)
    wrong = np.argsort(chance, axis=2, kind="stable")[:, :, : size - 1]
    places = np.broadcast_to(np.arange(size)[None, None, :], (n, size, size))
    before = places < letters[:, :, None]
    source = np.where(before, places, places - 1).clip(0, size - 2)
    orders = np.take_along_axis(wrong, source, axis=2)
    np.put_along_axis(orders, letters[:, :, None], own, axis=2)
    return np.asarray(orders)
