"""Compares two models on the same items, question by question (`p4d compare`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from p4d.errors import ContractError
from p4d.evaluation.scoring.predictions import (
    SCORING_METHODS,
    primary_metric,
    read_predictions,
    scored_by,
)
from p4d.evaluation.scoring.statistics import Bootstrap, paired_gain


def compare(
    first: Path, second: Path, bootstrap: Bootstrap, scoring: str | None = None
) -> dict[str, Any]:
    """Return the gain of the second model over the first on the items that both answered.

    Args:
        first: a folder that `p4d evaluate` wrote.
        second: another one.
        bootstrap: settings of the intervals over videos.
        scoring: the scoring method; default: likelihood if it is the primary metric of both, else
            text_wrong.

    Returns:
        `scoring`, `shared`, and per slice `gain` with its interval; counts of items that only one
        of the two got right.

    Raises:
        ContractError: no item is shared, or a shared item differs: different versions of a
            benchmark cannot be compared.
    """
    tables = [read_predictions(folder) for folder in (first, second)]
    primary = [primary_metric(table) for table in tables]
    chosen = scoring or (primary[0] if primary[0] == primary[1] else "text_wrong")
    if chosen not in SCORING_METHODS:
        raise ContractError(
            f"unknown scoring method {chosen!r}; known are {', '.join(SCORING_METHODS)}"
        )
    scored = [scored_by(table, chosen) for table in tables]
    both = scored[0].join(scored[1], on="qa_id", suffix="_second")
    if both.is_empty():
        raise ContractError(f"{first} and {second} share no item answered by {chosen}")
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}_second"))
        for name in ("question", "options", "answer_index", "answer_value")
    )
    changed = both.filter(~same)["qa_id"].to_list()
    if changed:
        raise ContractError(
            f"{len(changed)} shared items differ, for example {changed[0]}: the two were asked "
            "different versions of the benchmark; evaluate both again"
        )
    gains = paired_gain(scored[1], scored[0], bootstrap)
    better = both.filter(pl.col("correct_second") > pl.col("correct"))
    worse = both.filter(pl.col("correct_second") < pl.col("correct"))
    return {
        "first": str(first),
        "second": str(second),
        "scoring": chosen,
        "shared": len(both),
        "only_first": len(scored[0]) - len(both),
        "only_second": len(scored[1]) - len(both),
        "second_better": len(better),
        "first_better": len(worse),
        "gain": {name: interval.as_dict() for name, interval in gains.items()},
    }


def render(found: dict[str, Any]) -> str:
    """Return the comparison as lines of text."""
    lines = [
        f"second over first by {found['scoring']}, {found['shared']} shared items",
        f"  right only in the second {found['second_better']}, only in the first "
        f"{found['first_better']}",
        f"{'':<30}{'n':>6}  gain",
    ]
    for name, gain in found["gain"].items():
        interval = f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
        lines.append(f"{name:<30}{gain['n']:>6}  {interval}")
    return "\n".join(lines)
