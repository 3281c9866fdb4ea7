"""The outcome of each accepted clip in a stage: `outcomes.parquet`, one row per clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import write_table

OUTCOMES = ("ok", "filtered", "failed")
SCHEMA: dict[str, Any] = {"clip_id": pl.String, "outcome": pl.String, "reason": pl.String}


@dataclass(frozen=True)
class ClipOutcome:
    """One row: `ok` has no reason, `filtered` has no content, `failed` could not be read."""

    clip_id: str
    outcome: str
    reason: str | None = None


def write_outcomes(folder: Path, outcomes: Sequence[ClipOutcome]) -> dict[str, int]:
    """Write `outcomes.parquet` and return its rows per outcome, for the stage's report."""
    table = pl.DataFrame([asdict(outcome) for outcome in outcomes], schema=SCHEMA)
    write_table(folder / "outcomes.parquet", table, sort_by=["clip_id"])
    counts = Counter(outcome.outcome for outcome in outcomes)
    return {name: counts[name] for name in OUTCOMES}
