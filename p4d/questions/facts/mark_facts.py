"""Counts over the marks of clips, made alike from exact truth and from the expert's labels."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.facts.blocks import FactBlock, FactRows, clip_facts, instants_of_one, together
from p4d.questions.facts.table import Fact, Source, quantity


def count_marks(rows: FactRows, marks: int) -> FactBlock:
    """Return how many regions carry a mark, of clips with equally many."""
    return rows.quantity(
        "marked_count", marks, 0.0, about=together(marks), unit="count", frame="camera_first",
        method="regions that carry a mark",
    )  # fmt: skip


def marked_count(source: Source, region_ids: Sequence[str], start_ns: int) -> Fact:
    """Return how many regions of one clip carry a mark."""
    block = count_marks(instants_of_one([start_ns]), len(region_ids))
    return next(clip_facts(source, region_ids, [block]))


def count_moving(source: Source, moving: Sequence[Fact], span_ns: tuple[int, int]) -> Fact:
    """Return how many regions move, as uncertain as the least certain fact of `moving`."""
    return quantity(
        source, "moving_count", sum(fact.value for fact in moving),
        max((fact.sigma for fact in moving), default=0.0), unit="count", frame="world",
        method="sum of `moving` over the marked regions",
        region_ids=[fact.region_ids[0] for fact in moving], span_ns=span_ns,
    )  # fmt: skip
