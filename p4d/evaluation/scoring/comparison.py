"""Two models on the same items, question by question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from p4d.errors import ContractError
from p4d.evaluation.evaluate import latest_table
from p4d.evaluation.scoring.methods import WAYS, way_of_record
from p4d.evaluation.scoring.metrics import Bootstrap, paired_gain


def compare(first: Path, second: Path, how: Bootstrap, way: str | None = None) -> dict[str, Any]:
    """Gain of the second model over the first on the items that both answered.

    Args:
        first: a folder that `p4d evaluate` wrote.
        second: another one.
        how: of the bootstrap over videos.
        way: how answers are taken; default: likelihood where both have it, else text.

    Returns:
        `way`, `shared` and per slice `gain` with interval; counts of items only one got right.

    Raises:
        ContractError: no shared item, or one whose right answer differs: other versions of a
            benchmark cannot be compared.
    """
    tables = [latest_table(folder) for folder in (first, second)]
    ways = [way_of_record(table) for table in tables]
    chosen = way or (ways[0] if ways[0] == ways[1] else "text_wrong")
    if chosen not in WAYS:
        raise ContractError(f"no way called {chosen!r}; ways are {', '.join(WAYS)}")
    scored = [
        table.filter((pl.col("outcome") == "ok") & pl.col(chosen).is_not_null()).with_columns(
            correct=pl.col(chosen)
        )
        for table in tables
    ]
    both = scored[0].join(scored[1], on="qa_id", suffix="_second")
    if both.is_empty():
        raise ContractError(f"{first} and {second} share no answered item by {chosen}")
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
    gains = paired_gain(scored[1], scored[0], how)
    better = both.filter(pl.col("correct_second") > pl.col("correct"))
    worse = both.filter(pl.col("correct_second") < pl.col("correct"))
    return {
        "first": str(first),
        "second": str(second),
        "way": chosen,
        "shared": len(both),
        "only_first": len(scored[0]) - len(both),
        "only_second": len(scored[1]) - len(both),
        "second_better": len(better),
        "first_better": len(worse),
        "gain": {name: interval.as_dict() for name, interval in gains.items()},
    }


def render(found: dict[str, Any]) -> str:
    """The comparison as lines of text."""
    lines = [
        f"second over first by {found['way']}, {found['shared']} shared items",
        f"  right only in the second {found['second_better']}, only in the first "
        f"{found['first_better']}",
        f"{'':<30}{'n':>6}  gain",
    ]
    for name, gain in found["gain"].items():
        interval = f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
        lines.append(f"{name:<30}{gain['n']:>6}  {interval}")
    return "\n".join(lines)
