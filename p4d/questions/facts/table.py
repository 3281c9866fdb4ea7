"""Facts: measured quantities with unit, sigma, interval, frame of reference and teacher.

A question may use only what a fact states. `value` is a number. A fact with a closed vocabulary
(left, clockwise, moving) also has `value_text`; then `value` is its index in the vocabulary, and
`sigma` is one over its distance to the nearest other word in standard deviations. So for every
fact, the gap between options divided by sigma is the margin of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from p4d.artifacts import read_table, write_table
from p4d.ids import canonical_json

SCHEMA: dict[str, Any] = {
    "fact_id": pl.String,
    "clip_id": pl.String,
    "kind": pl.String,
    "region_ids": pl.List(pl.String),
    "start_ns": pl.Int64,
    "end_ns": pl.Int64,
    "value": pl.Float64,
    "value_text": pl.String,
    "unit": pl.String,
    "sigma": pl.Float64,
    "frame": pl.String,
    "method": pl.String,
    "scale_kind": pl.String,
    "teacher": pl.String,
    "teacher_digest": pl.String,
}

# Stored instead of zero and infinity: one would divide by zero, the other is not valid JSON.
SIGMA_MIN, SIGMA_MAX = 1e-6, 1e6


@dataclass(frozen=True, kw_only=True)
class Source:
    """The part of a fact that is the same for all facts of a clip: clip, scale and teacher."""

    clip_id: str
    scale_kind: str
    teacher: str
    teacher_digest: str


class Fact(NamedTuple):
    """One row of `facts.parquet`; times are relative to the clip's start.

    A named tuple, because a shard has tens of thousands: it is made in a third of the time of a
    frozen dataclass, and columns are transposed rows.
    """

    fact_id: str
    clip_id: str
    kind: str
    region_ids: tuple[str, ...]
    start_ns: int
    end_ns: int
    value: float
    value_text: str | None
    unit: str
    sigma: float
    frame: str
    method: str
    scale_kind: str
    teacher: str
    teacher_digest: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Fact:
        """Build from a row of the table."""
        return cls(**{**row, "region_ids": tuple(row["region_ids"])})

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        return {**self._asdict(), "region_ids": list(self.region_ids)}


def quantity(
    source: Source,
    kind: str,
    value: float,
    sigma: float,
    *,
    unit: str,
    frame: str,
    method: str,
    region_ids: Sequence[str] = (),
    span_ns: tuple[int, int],
) -> Fact:
    """Return the fact of a measured number."""
    return fact_of(source, kind, value, None, sigma, unit, frame, method, region_ids, span_ns)


def word(
    source: Source,
    kind: str,
    text: str,
    margin: float,
    vocabulary: Sequence[str],
    *,
    frame: str,
    method: str,
    region_ids: Sequence[str] = (),
    span_ns: tuple[int, int],
) -> Fact:
    """Return a fact with a closed vocabulary.

    Args:
        source: teacher and clip of the fact.
        kind: kind of fact.
        text: the word that holds.
        margin: distance to the nearest other word in standard deviations; a fact with a margin
            that is not positive has the largest sigma.
        vocabulary: all words, in a fixed order.
        frame: frame of reference.
        method: how it was measured.
        region_ids: regions it is about.
        span_ns: interval, relative to the clip's start.

    """
    sigma = 1.0 / margin if margin > 0 else SIGMA_MAX
    value = float(vocabulary.index(text))
    return fact_of(source, kind, value, text, sigma, "class", frame, method, region_ids, span_ns)


def fact_of(
    source: Source,
    kind: str,
    value: float,
    text: str | None,
    sigma: float,
    unit: str,
    frame: str,
    method: str,
    region_ids: Sequence[str],
    span_ns: tuple[int, int],
) -> Fact:
    """Return a fact with its id; value and sigma are rounded."""
    start_ns, end_ns = span_ns
    regions = tuple(region_ids)
    return Fact(
        _fact_id(source, kind, regions, span_ns, frame),
        source.clip_id,
        kind,
        regions,
        int(start_ns),
        int(end_ns),
        round(float(value), 6),
        text,
        unit,
        # A NaN stays a NaN: the stage counts facts that are not finite and leaves them out.
        round(max(SIGMA_MIN, min(SIGMA_MAX, float(sigma))), 6) if sigma == sigma else sigma,
        frame,
        method,
        source.scale_kind,
        source.teacher,
        source.teacher_digest,
    )


def _fact_id(
    source: Source, kind: str, regions: tuple[str, ...], span_ns: tuple[int, int], frame: str
) -> str:
    """`content_id("fact", clip_id, kind, regions, start_ns, end_ns, frame, teacher)`.

    The canonical JSON is joined from strings that were encoded once: a shard repeats the same few.
    """
    listed = ",".join(map(encoded, regions))
    text = (
        f"[{encoded(source.clip_id)},{encoded(kind)},[{listed}],{span_ns[0]},{span_ns[1]},"
        f"{encoded(frame)},{encoded(source.teacher)}]"
    )
    return f"fact_{sha256(text.encode()).hexdigest()[:16]}"


encoded = lru_cache(maxsize=4096)(canonical_json)
"""The canonical JSON of a value that many facts repeat."""


def write_facts(path: Path, facts: Sequence[Fact]) -> None:
    """Write facts in the declared schema."""
    write_fact_table(path, fact_table(facts))


def write_fact_table(path: Path, table: pl.DataFrame) -> None:
    """Write the rows of facts."""
    write_table(path, table, sort_by=["clip_id", "fact_id"])


def fact_table(facts: Sequence[Fact]) -> pl.DataFrame:
    """Return facts as rows of the declared schema."""
    columns = zip(*facts, strict=True) if facts else ((),) * len(SCHEMA)
    return pl.DataFrame(
        {
            name: _list_column(column) if name == "region_ids" else pl.Series(column, dtype=dtype)
            for (name, dtype), column in zip(SCHEMA.items(), columns, strict=True)
        }
    )


def _list_column(lists: Sequence[tuple[str, ...]]) -> pl.Series:
    """A column of lists; the same few repeat, so each distinct one is converted once."""
    number = {each: code for code, each in enumerate(dict.fromkeys(lists))}
    distinct = pl.Series([list(each) for each in number], dtype=pl.List(pl.String))
    return distinct.gather([number[each] for each in lists])


def read_facts(path: Path) -> dict[str, list[Fact]]:
    """Return the facts of each clip, in table order."""
    found: dict[str, list[Fact]] = {}
    for row in read_table(path).iter_rows(named=True):
        found.setdefault(row["clip_id"], []).append(Fact.from_row(row))
    return found
