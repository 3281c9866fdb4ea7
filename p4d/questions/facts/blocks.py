"""Facts as columns: those of one kind about several clips at once.

Exact truth gives hundreds of facts per clip. A kind is measured for all clips of a stack by one
expression over arrays (`FactRows`), which gives a `FactBlock`. `facts_table.py` makes the table of
all blocks, and `clip_facts` the facts of one clip, one by one. In the names of arrays `c` counts
clips, `i` instants, `k` objects, and `p` the tuples of objects that a kind is about; `n` counts
facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, permutations

import numpy as np

from p4d.questions.facts.scene.margins import Bools, Floats, Ints
from p4d.questions.facts.table import SIGMA_MAX, Fact, Source, fact_of


@dataclass(frozen=True, kw_only=True)
class FactBlock:
    """Facts of one kind.

    Attributes:
        kind, unit, frame, method: the same for all.
        clip_n: number of the clip.
        about_pr: tuples of objects, each by its place in mark order.
        about_n: the tuple of each fact.
        start_ns_n, end_ns_n: relative to the clip's start.
        value_n, sigma_n: not rounded; one that is not finite is no fact.
        words: of a closed vocabulary; empty for quantities.
        word_n: the word of each fact, as its index in `words`.
    """

    kind: str
    unit: str
    frame: str
    method: str
    clip_n: Ints
    about_pr: Ints
    about_n: Ints
    start_ns_n: Ints
    end_ns_n: Ints
    value_n: Floats
    sigma_n: Floats
    words: tuple[str, ...] = ()
    word_n: Ints | None = None


@dataclass(frozen=True, kw_only=True)
class FactRows:
    """Makes the facts of several clips about one interval of each, or about instants.

    Attributes:
        clip_c: numbers of the clips.
        start_ns, end_ns: [C], or [C, I] for instants.
        seen_ck: the objects that facts of the interval may be about; None: all.
    """

    clip_c: Ints
    start_ns: Ints
    end_ns: Ints
    seen_ck: Bools | None = None

    def quantity(
        self,
        kind: str,
        value: Floats | Ints | Bools | float,
        sigma: Floats | float,
        *,
        about: Ints,
        unit: str,
        frame: str,
        method: str,
        where: Bools | None = None,
    ) -> FactBlock:
        """Return the facts of a measured number.

        Args:
            kind: of all of them.
            value: [C, P], or [C, I, P], or what broadcasts to that.
            sigma: in the same shape.
            about: the tuples of objects, [P, R].
            unit: of all of them.
            frame: of reference, of all of them.
            method: how they were measured.
            where: which of them are known; None: all.
        """
        shape = (*self.start_ns.shape, len(about))
        kept = np.ones(shape, bool) if where is None else np.broadcast_to(where, shape)
        if self.seen_ck is not None and about.shape[1]:
            kept = kept & self.seen_ck[:, about].all(axis=-1)
        at = np.nonzero(kept)
        return FactBlock(
            kind=kind,
            unit=unit,
            frame=frame,
            method=method,
            clip_n=self.clip_c[at[0]],
            about_pr=about,
            about_n=at[-1],
            start_ns_n=self.start_ns[at[:-1]],
            end_ns_n=self.end_ns[at[:-1]],
            value_n=np.broadcast_to(value, shape)[at].astype(np.float64),
            sigma_n=np.broadcast_to(sigma, shape)[at].astype(np.float64),
        )

    def word(
        self,
        kind: str,
        word: Ints | Bools | int,
        margin: Floats | float,
        words: tuple[str, ...],
        *,
        about: Ints,
        frame: str,
        method: str,
        where: Bools | None = None,
    ) -> FactBlock:
        """Return facts with a closed vocabulary.

        Args:
            kind: of all of them.
            word: index of the word that holds, in the shape of a value.
            margin: distance to the nearest other word in standard deviations; a fact with a margin
                that is not positive has the largest sigma.
            words: all words, in a fixed order.
            about: as of a quantity.
            frame: as of a quantity.
            method: as of a quantity.
            where: as of a quantity.
        """
        block = self.quantity(
            kind, word, word_sigma(margin), about=about, unit="class", frame=frame, method=method,
            where=where,
        )  # fmt: skip
        return replace(block, words=words, word_n=block.value_n.astype(np.int64))

    def at(self, named_ns_c: Ints) -> FactRows:
        """The facts of one instant each, about the same objects."""
        return replace(self, start_ns=named_ns_c, end_ns=named_ns_c)


def instants_of_one(named_ns: Sequence[int]) -> FactRows:
    """Rows about the instants of one clip, whose number is 0."""
    at_ns = np.array([named_ns], np.int64)
    return FactRows(clip_c=np.zeros(1, np.int64), start_ns=at_ns, end_ns=at_ns)


def clip_facts(
    source: Source, region_ids: Sequence[str], blocks: Iterable[FactBlock]
) -> Iterator[Fact]:
    """Yield the facts of one clip, those that are not finite included."""
    for block in blocks:
        about = [[region_ids[k] for k in row] for row in block.about_pr.tolist()]
        numbers = [None] * len(block.value_n) if block.word_n is None else block.word_n.tolist()
        columns = (
            block.about_n, block.start_ns_n, block.end_ns_n, block.value_n, block.sigma_n
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), numbers, strict=True)
        for place, start_ns, end_ns, value, sigma, number in rows:
            yield fact_of(
                source, block.kind, value, None if number is None else block.words[number], sigma,
                block.unit, block.frame, block.method, about[place], (start_ns, end_ns),
            )  # fmt: skip


def word_sigma(margin: Floats | float) -> Floats:
    """Return the sigma of a word: one over its margin, in standard deviations."""
    margin = np.asarray(margin, np.float64)
    return np.divide(1.0, margin, out=np.full(margin.shape, SIGMA_MAX), where=margin > 0)


@lru_cache
def each(objects: int) -> Ints:
    """Every object by itself, [K, 1]."""
    return np.arange(objects)[:, None]


@lru_cache
def pairs(objects: int) -> Ints:
    """Every two objects, [P, 2]."""
    return _tuples(list(combinations(range(objects), 2)), 2)


@lru_cache
def ordered_pairs(objects: int) -> Ints:
    """Every two objects in both orders, [P, 2]."""
    return _tuples(list(permutations(range(objects), 2)), 2)


@lru_cache
def trios(objects: int) -> Ints:
    """Every three objects, [P, 3]."""
    return _tuples(list(combinations(range(objects), 3)), 3)


@lru_cache
def together(objects: int) -> Ints:
    """All objects at once, [1, K]."""
    return np.arange(objects)[None]


NOBODY: Ints = np.zeros((1, 0), np.int64)
"""No object: the camera, or the picture."""


def _tuples(found: Sequence[tuple[int, ...]], size: int) -> Ints:
    return np.array(found, np.int64).reshape(-1, size)
