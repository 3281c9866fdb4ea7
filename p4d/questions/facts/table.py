"""Facts: measured quantities with unit, sigma, interval, frame of reference and teacher.

A question may use only what a fact states. `value` is a number. A fact with a closed vocabulary
(left, clockwise, moving) also has `value_text`; then `value` is its index in the vocabulary, and
`sigma` is one over its distance to the nearest other word in standard deviations. So for every
fact, the gap between options divided by sigma is the margin of the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table, write_table
from p4d.ids import content_id

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


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One row of `facts.parquet`; times are relative to the clip's start."""

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
        return {**vars(self), "region_ids": list(self.region_ids)}


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
    return _fact(source, kind, value, None, sigma, unit, frame, method, region_ids, span_ns)


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
    return _fact(source, kind, value, text, sigma, "class", frame, method, region_ids, span_ns)


def _fact(
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
    start_ns, end_ns = span_ns
    identity = (source.clip_id, kind, list(region_ids), start_ns, end_ns, frame, source.teacher)
    return Fact(
        fact_id=content_id("fact", *identity),
        kind=kind,
        region_ids=tuple(region_ids),
        start_ns=int(start_ns),
        end_ns=int(end_ns),
        value=round(float(value), 6),
        value_text=text,
        unit=unit,
        # A NaN stays a NaN: the stage counts facts that are not finite and leaves them out.
        sigma=round(max(SIGMA_MIN, min(SIGMA_MAX, float(sigma))), 6) if sigma == sigma else sigma,
        frame=frame,
        method=method,
        **vars(source),
    )


def write_facts(path: Path, facts: Iterable[Fact]) -> None:
    """Write facts in the declared schema."""
    frame = pl.DataFrame([fact.row() for fact in facts], schema=SCHEMA)
    write_table(path, frame, sort_by=["clip_id", "fact_id"])


def read_facts(path: Path) -> dict[str, list[Fact]]:
    """Return the facts of each clip, in table order."""
    found: dict[str, list[Fact]] = {}
    for row in read_table(path).iter_rows(named=True):
        found.setdefault(row["clip_id"], []).append(Fact.from_row(row))
    return found
