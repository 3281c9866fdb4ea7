"""The metrics of one model on one benchmark: means with intervals and the twelve columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from p4d.evaluation.benchmarks.item import Benchmark
from p4d.evaluation.benchmarks.vsti_bench import SUBTASKS
from p4d.evaluation.scoring.predictions import SCORING_METHODS, primary_metric, scored_by
from p4d.evaluation.scoring.published import headline
from p4d.evaluation.scoring.statistics import AVERAGE, Bootstrap, Interval, accuracy_by_slice

COLUMNS: Mapping[str, str] = {
    "Avg": AVERAGE,
    "Sta": "Static",
    "Dyn": "Dynamic",
    "VG": "3D Video Grounding",
    "DM": "Dimensional Measurement",
    "SR": "Spatial Relation",
    "R": "Rotational",
    "C": "Counting",
    "T": "Translational",
    "FP": "False Positives",
    "SA": "Speed & Acceleration",
    "DP": "Displacement & Path Length",
}
"""The twelve columns of table 3 of arXiv 2512.17012, in its order."""


def scores_by_method(table: pl.DataFrame, bootstrap: Bootstrap) -> dict[str, dict[str, Interval]]:
    """Return the mean score with its interval, per scoring method and slice."""
    found = {}
    for method in SCORING_METHODS:
        scored = scored_by(table, method)
        if len(scored):
            found[method] = accuracy_by_slice(scored, bootstrap)
    return found


def twelve_columns(scores: Mapping[str, Interval]) -> dict[str, float | None]:
    """Return the paper's columns in per cent; None for a category without questions."""
    return {
        short: round(100 * scores[name].value, 2) if name in scores else None
        for short, name in COLUMNS.items()
    }


def benchmark_metrics(
    benchmark: Benchmark, table: pl.DataFrame, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return the content of `metrics.json`.

    Failed and rejected items are counted and left out of every mean.

    Args:
        benchmark: decides how the headline weighs items and types.
        table: as `predictions` returns it.
        bootstrap: settings of the intervals.
    """
    ok = table.filter(pl.col("outcome") == "ok")
    choices = ok.filter(pl.col("kind") == "mcq")
    texts = choices.filter(pl.col("text").is_not_null())
    unparsed = texts["parsed_index"].null_count()
    scores = scores_by_method(table, bootstrap)
    primary = primary_metric(table)
    result: dict[str, Any] = {
        "benchmark": benchmark.name,
        "items": len(table),
        "outcomes": dict(sorted(table.group_by("outcome").len().iter_rows())),
        "groups": ok["group"].n_unique(),
        "primary_metric": primary,
        "scoring_methods": dict(SCORING_METHODS),
        "chance": _chance(choices),
        "generated": len(texts),
        "unparsed": unparsed,
        "unparsed_share": round(unparsed / max(len(texts), 1), 6),
        "scores": {
            method: {slice_: interval.as_dict() for slice_, interval in found.items()}
            for method, found in scores.items()
        },
        "twelve_columns": {method: twelve_columns(found) for method, found in scores.items()},
    }
    numeric = ok.filter(pl.col("kind") == "numeric")
    if len(numeric):
        result["mean_relative_accuracy"] = round(float(numeric["text_wrong"].mean()), 6)  # type: ignore[arg-type]
        result["unparsed_numbers"] = numeric["parsed_value"].null_count()
    if benchmark.name == "vsti-bench":
        result["over_types"] = {m: over_types(ok, m) for m in scores if m != "likelihood"}
    headlines = {
        method: headline(benchmark.rules, scored_by(table, method), bootstrap).as_dict()
        for method in scores
    }
    result["headline"] = {
        "mean_over": "items" if benchmark.rules.of_types is None else "types",
        **headlines,
    }
    if primary in scores:
        result["accuracy"] = headlines[primary]["value"]
        result |= {key: headlines[primary][key] for key in ("low", "high")}
    return result


def over_types(ok: pl.DataFrame, method: str) -> dict[str, float]:
    """Return VSTI-Bench's overall score: the mean over types, and with variants averaged first.

    Both occur in public evaluations.
    """
    scored = ok.filter(pl.col(method).is_not_null())
    per_type = dict(
        scored.group_by("category").agg(pl.col(method).mean()).sort("category").iter_rows()
    )
    merged: dict[str, list[float]] = {}
    for name, value in per_type.items():
        stem = next((stem for stem in SUBTASKS if name.startswith(stem)), name)
        merged.setdefault(stem, []).append(value)
    return {
        "mean_of_types": round(float(np.mean(list(per_type.values()))), 6),
        "mean_of_subtasks": round(float(np.mean([np.mean(v) for v in merged.values()])), 6),
    }


def _chance(choices: pl.DataFrame) -> float | None:
    if choices.is_empty():
        return None
    return round(float((1 / choices["options"].list.len()).mean()), 6)  # type: ignore[arg-type]
