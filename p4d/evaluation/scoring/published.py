"""The score that a benchmark's own evaluation reports, and the headline of ours.

Both use one weighting: VSTI-Bench, VSI-Bench and Dyn-Bench average over types, the others over
items. They differ in how a reply is read: by the benchmark's own rule, or by the reader of answers
(or by likelihood).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, PublishedRules, ScoredItem
from p4d.evaluation.scoring.predictions import scored_by
from p4d.evaluation.scoring.statistics import AVERAGE, Bootstrap, Interval, cluster_bootstrap
from p4d.ids import seed_for


def published_figures(
    benchmark: Benchmark, items: Sequence[BenchmarkItem], table: pl.DataFrame
) -> dict[str, float]:
    """Return the figures of the benchmark's own evaluation for these replies; `overall` first.

    Empty if no text was generated. Failed and rejected items are left out.
    """
    by_id = {item.item_id: item for item in items}
    scored = scored_by(table, "published_rule").select("qa_id", "published_rule").sort("qa_id")
    rows = [ScoredItem(by_id[qa_id], score) for qa_id, score in scored.iter_rows()]
    if not rows:
        return {}
    return {name: round(value, 6) for name, value in benchmark.rules.overall(rows).items()}


def headline(rules: PublishedRules, scored: pl.DataFrame, bootstrap: Bootstrap) -> Interval:
    """Return the benchmark's headline with its interval over resampled groups of videos.

    Args:
        rules: decide between items and types.
        scored: `category`, `group` and `correct` of the answered items; not empty.
        bootstrap: resamples and confidence.
    """
    values = scored["correct"].to_numpy().astype(float)
    groups = scored["group"].to_list()
    seed = seed_for("accuracy", AVERAGE)  # that of the average over items
    bounds = (0.0, 1.0)
    if rules.of_types is None:
        return cluster_bootstrap(values, groups, bootstrap, seed=seed, bounds=bounds)
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    kinds = np.asarray(scored["category"].to_list(), dtype=str)
    drawn = np.random.default_rng(seed).integers(0, len(names), (bootstrap.samples, len(names)))
    means: dict[str, float] = {}
    resampled: dict[str, np.ndarray] = {}
    for kind in sorted(set(kinds.tolist())):
        rows = kinds == kind
        means[kind] = float(values[rows].mean())
        sums = np.bincount(member[rows], weights=values[rows], minlength=len(names))
        counts = np.bincount(member[rows], minlength=len(names))
        total, count = sums[drawn].sum(axis=1), counts[drawn].sum(axis=1)
        # A type that a resample does not contain keeps its mean.
        resampled[kind] = np.where(count > 0, total / np.maximum(count, 1), means[kind])
    low, high = bounds
    if len(names) > 1:
        tail = (1 - bootstrap.confidence) / 2
        low, high = np.quantile(rules.of_types(resampled), [tail, 1 - tail])
    return Interval(
        value=round(float(rules.of_types(means)), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        n=len(values),
        clusters=len(names),
    )


def as_published(
    benchmark: Benchmark, figures: Mapping[str, float], used: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the page and the JSON say of the published evaluation.

    Args:
        benchmark: supplies the rules.
        figures: of `published_figures`.
        used: `prompt`, `frames` and `max_new_tokens` of this run.
    """
    rules = benchmark.rules
    stated = {"prompt": "benchmark", "frames": rules.frames, "max_new_tokens": rules.max_new_tokens}
    return {
        "script": rules.script,
        "figures": dict(figures),
        "settings": stated,
        "differs": [name for name, value in stated.items() if used[name] != value],
        "remarks": rules.remarks,
    }
