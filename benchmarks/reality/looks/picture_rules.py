"""What the truth of a look says of halves and quarters of the picture, by kind of fact.

Where the picture shows an object is where its visible pixels are; borders of words have a little
room on both sides. What no picture shows counts as rest: a plain ball that turns in place moves in
the world, and its pictures are the same at all times (`LookTruth.shows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.reality.looks.rules import EDGE_PX, Count, Rule, Word, moves, places
from benchmarks.reality.looks.truth import UNSEEN_SHARE, LookTruth
from p4d.questions.facts.vocabulary import (
    FORMER,
    HALVES_DOWN,
    HALVES_OF_TIME,
    NOTHING_MOVES,
    PARTS_ACROSS,
    PARTS_DOWN,
    SIDES,
    SIZE_CHANGES,
)


def _half(axis: int, words: Sequence[str]) -> Rule:
    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del end
        middle = truth.instance_thw.shape[-1] / 2
        offs = [float(place[axis] - middle) for place in places(truth, ks[0], begin)]
        return Word(
            lambda word: any((off if word == words[1] else -off) > -EDGE_PX for off in offs)
        )

    return rule


def _half_count(axis: int) -> Rule:
    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
        del end
        middle = truth.instance_thw.shape[-1] / 2
        offs = [[float(p[axis] - middle) for p in places(truth, k, begin)] for k in ks]
        return Count(
            sum(max(off) < -EDGE_PX for off in offs), sum(min(off) < EDGE_PX for off in offs)
        )

    return rule


def _more(axis: int) -> Rule:
    """Which of two is nearer to the left, or to the upper edge."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del end
        one, other = ([float(p[axis]) for p in places(truth, k, begin)] for k in ks)
        offs = [b - a for a, b in zip(one, other, strict=False)]
        return Word(lambda word: any((off if word == FORMER else -off) > -EDGE_PX for off in offs))

    return rule


def _area(truth: LookTruth, k: int, frame: int) -> int:
    return int((truth.instance_thw[frame] == k + 1).sum())


def _looks_larger(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    one, other = (_area(truth, k, begin) for k in ks)
    return Word(lambda word: one > other if word == FORMER else other > one)


def _size_change(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    first, last = (_area(truth, ks[0], frame) for frame in (begin, end))
    return Word(lambda word: last > first if word == SIZE_CHANGES[0] else last < first)


def _faster_half(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    half = (end - begin) // 2
    early, late = (
        [
            float(np.linalg.norm(b - a))
            for a, b in zip(places(truth, ks[0], one), places(truth, ks[0], other), strict=False)
        ]
        for one, other in ((begin, begin + half), (end - half, end))
    )
    return Word(
        lambda word: any(
            (a > b) if word == HALVES_OF_TIME[0] else (b > a)
            for a, b in zip(early, late, strict=False)
        )
    )


def _stirs(truth: LookTruth, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Of three by three parts, whether it is right that something moves, and that nothing does.

    Where less than `UNSEEN_SHARE` of what moves is in a part, either answer is accepted.
    """
    something, nothing = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    for k in range(len(truth.size_m_k3)):
        still, moving = moves(truth, k, begin, end)
        if not truth.shows(k, begin, end):
            still, moving = True, False
        shown_thw = truth.instance_thw[begin : end + 1] == k + 1
        side = shown_thw.shape[-1]
        edges = [round(side * share / 3) for share in range(4)]
        for row, column in np.ndindex(3, 3):
            part_thw = shown_thw[:, edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            most_px = int(part_thw.sum(axis=(1, 2)).max())
            something[row, column] |= moving and most_px > 0
            nothing[row, column] &= still or most_px <= UNSEEN_SHARE * side**2
    return something, nothing


def _stirring_count(axis: int) -> Rule:
    """How many columns (0) or rows (1) have something that moves."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
        del ks
        something, nothing = _stirs(truth, begin, end)
        return Count(int((~nothing).any(axis=axis).sum()), int(something.any(axis=axis).sum()))

    return rule


def _stirring_outer(axis: int, words: Sequence[str]) -> Rule:
    """Something moves in the one outer third, and nothing in the other."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del ks
        something, nothing = _stirs(truth, begin, end)
        moved, rests = something.any(axis=axis), nothing.all(axis=axis)
        return Word(
            lambda word: bool(moved[0] and rests[2] if word == words[0] else moved[2] and rests[0])
        )

    return rule


def _stirring_edge(edge: str) -> Rule:
    """Whether something moves at an edge."""
    part, _ = EDGES[edge]

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del ks
        something, nothing = (each[part] for each in _stirs(truth, begin, end))
        return Word(lambda word: bool(nothing.all() if word == NOTHING_MOVES else something.any()))

    return rule


def _stirring_where(edge: str) -> Rule:
    """Something moves in one of the three parts at an edge alone."""
    part, words = EDGES[edge]

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del ks
        something, nothing = (each[part] for each in _stirs(truth, begin, end))

        def holds(word: str | None) -> bool:
            mine = words.index(str(word))
            return bool(something[mine] and np.delete(nothing, mine).all())

        return Word(holds)

    return rule


def _stirring_when(edge: str) -> Rule:
    """Something moves at an edge in one half of the time, and nothing in the other."""
    part, _ = EDGES[edge]

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        del ks
        half = begin + (end - begin) // 2
        moved, rests = [], []
        for span in ((begin, half), (half, end)):
            something, nothing = _stirs(truth, *span)
            moved.append(bool(something[part].any()))
            rests.append(bool(nothing[part].all()))
        return Word(
            lambda word: (
                moved[0] and rests[1] if word == HALVES_OF_TIME[0] else moved[1] and rests[0]
            )
        )

    return rule


EDGES: Mapping[str, tuple[tuple[slice | int, slice | int], tuple[str, ...]]] = {
    "left": ((slice(None), 0), PARTS_DOWN),
    "right": ((slice(None), 2), PARTS_DOWN),
    "top": ((0, slice(None)), PARTS_ACROSS),
    "bottom": ((2, slice(None)), PARTS_ACROSS),
}

PICTURE_RULES: Mapping[str, Rule] = {
    "half_across": _half(0, SIDES),
    "half_down": _half(1, HALVES_DOWN),
    "left_half_count": _half_count(0),
    "upper_half_count": _half_count(1),
    "more_left": _more(0),
    "more_up": _more(1),
    "looks_larger": _looks_larger,
    "size_change": _size_change,
    "faster_half": _faster_half,
    "stirring_columns": _stirring_count(0),
    "stirring_rows": _stirring_count(1),
    "stirring_side": _stirring_outer(0, SIDES),
    "stirring_level": _stirring_outer(1, HALVES_DOWN),
    **{f"stirring_{edge}": _stirring_edge(edge) for edge in EDGES},
    **{f"stirring_where_{edge}": _stirring_where(edge) for edge in EDGES},
    **{f"stirring_when_{edge}": _stirring_when(edge) for edge in EDGES},
}
