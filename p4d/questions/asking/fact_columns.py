"""The facts of a shard as columns of codes, which families join by clip, regions and interval."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.questions.asking.families import FAMILIES
from p4d.questions.columns import Ints, hashes_of, mix

KINDS = tuple(sorted({kind for f in FAMILIES for e in f.evidence for kind in e.all_kinds}))
MAX_FACTS = max(len(e.all_kinds) for f in FAMILIES for e in f.evidence)
MARK_CODES = 10  # marks are single digits; 0 is none
NONE = -1


class FactColumns:
    """The facts of a shard that some family needs, sorted by kind.

    Attributes:
        row: row in the table of facts.
        kind, clip, span, text: codes; a clip is its row in the table of clips, a span and a text
            their index in `spans` and `texts`; a text is NONE if there is none.
        region: [n, 3], rows of the first three regions in the table of regions.
        mark: [n, 3], their marks, 0 if there is none.
        value, sigma: of each fact.
        clip_hash, span_hash: of each clip and of each span.

    """

    def __init__(self, clips: pl.DataFrame, regions: pl.DataFrame, facts: pl.DataFrame) -> None:
        kind = _codes(facts["kind"], pl.Series(KINDS))
        clip = _codes(facts["clip_id"], clips["clip_id"])
        known = np.flatnonzero((kind != NONE) & (clip != NONE))
        # Kinds are slices of the columns; within a kind the order does not matter.
        self.row: Ints = known[np.argsort(kind[known].astype(np.int16), kind="stable")]
        self.kind: Ints = kind[self.row]
        self.clip: Ints = clip[self.row]
        self.value: NDArray[np.float64] = facts["value"].to_numpy()[self.row]
        self.sigma: NDArray[np.float64] = facts["sigma"].to_numpy()[self.row]
        self.spans, self.span = _spans(
            facts["start_ns"].to_numpy()[self.row], facts["end_ns"].to_numpy()[self.row]
        )
        words = facts["value_text"].drop_nulls().unique().sort()
        self.texts: list[str] = words.to_list()
        self.text = _codes(facts["value_text"], words)[self.row]
        self.region = _first_regions(facts["region_ids"], regions["region_id"], self.row)
        marks = np.append(regions["mark"].to_numpy().astype(np.int64), 0)
        self.mark: Ints = marks[self.region]
        self._bounds = np.searchsorted(self.kind, np.arange(len(KINDS) + 1))
        self._sorted: dict[tuple[str, bool], tuple[Ints, Ints]] = {}
        self.clip_hash = hashes_of(clips["clip_id"])
        self.span_hash = np.array([mix(*span)[0] for span in self.spans], dtype=np.uint64)

    def of(self, kind: str) -> Ints:
        """Return the rows of a kind."""
        code = KINDS.index(kind)
        return np.arange(self._bounds[code], self._bounds[code + 1])

    @cached_property
    def _about(self) -> Ints:
        """Clip and regions as one number."""
        key = self.clip
        for column in range(3):
            key = key * MARK_CODES + self.mark[:, column]
        return np.asarray(key)

    def _key(self, rows: Ints, *, whole_clip: bool) -> Ints:
        if whole_clip:
            return np.asarray(self.clip[rows] * MARK_CODES + self.mark[rows, 0])
        return np.asarray(self._about[rows] * len(self.spans) + self.span[rows])

    def beside(self, rows: Ints, kind: str, *, whole_clip: bool = False) -> Ints:
        """Return for each row the row of another kind about the same regions, or NONE.

        Args:
            rows: of one kind.
            kind: the other kind.
            whole_clip: match the first region in any interval; else the same regions and interval.
        """
        if (kind, whole_clip) not in self._sorted:
            others = self.of(kind)
            keys = self._key(others, whole_clip=whole_clip)
            order = np.argsort(keys, kind="stable")
            self._sorted[(kind, whole_clip)] = (keys[order], others[order])
        keys, others = self._sorted[(kind, whole_clip)]
        if not len(others):
            return np.full(len(rows), NONE)
        wanted = self._key(rows, whole_clip=whole_clip)
        place = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
        return np.asarray(np.where(keys[place] == wanted, others[place], NONE))


def _codes(column: pl.Series, words: pl.Series) -> Ints:
    """Return the index of each string in a list of unique ones; NONE for null and unknown ones."""
    if not len(words):
        return np.full(len(column), NONE)
    codes = column.cast(pl.Enum(words), strict=False).to_physical()
    return np.asarray(codes.cast(pl.Int64).fill_null(NONE).to_numpy())


def _first_regions(region_ids: pl.Series, known: pl.Series, rows: Ints) -> Ints:
    """Return the codes of the first three regions of the lists of some rows, [n, 3]."""
    lengths = region_ids.list.len().to_numpy().astype(np.int64)
    starts, lengths = (np.cumsum(lengths) - lengths)[rows], lengths[rows]
    codes = np.append(_codes(region_ids.explode(empty_as_null=False), known), NONE)
    regions = np.empty((len(rows), 3), dtype=np.int64)
    for i in range(3):
        regions[:, i] = codes[np.where(lengths > i, starts + i, NONE)]
    return regions


def _spans(start_ns: Ints, end_ns: Ints) -> tuple[list[tuple[int, int]], Ints]:
    """Return the distinct intervals in order, and the index of the interval of each row."""
    starts, ends = (pl.Series(column).unique().sort().to_numpy() for column in (start_ns, end_ns))
    both = np.searchsorted(starts, start_ns) * len(ends) + np.searchsorted(ends, end_ns)
    used = np.flatnonzero(np.bincount(both, minlength=len(starts) * len(ends)))
    spans = [(int(starts[one // len(ends)]), int(ends[one % len(ends)])) for one in used]
    return spans, np.searchsorted(used, both)
