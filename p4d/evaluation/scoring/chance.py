"""Tests whether a control that should know nothing is at chance, family by family.

For controls on R4D-World, such as a text-only reader or one that sees only the marks. Under chance
the number of hits of a family is a sum of independent draws with probability 1 / options each; its
exact (Poisson binomial) distribution gives the interval. Wrong options of exchange groups are each
other's answers, so hits within a group are not quite independent and the true interval is a little
narrower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binom

from p4d.errors import ContractError

_SCORES = ("correct", "likelihood", "text_wrong")


def chance_report(predictions: pl.DataFrame, confidence: float = 0.95) -> dict[str, Any]:
    """Compare a control's accuracy with the sampling interval of chance.

    Args:
        predictions: `predictions.parquet` of `p4d evaluate`, or a table with `family`, `options`,
            `correct`; rows without a score are left out.
        confidence: of each single interval.

    Returns:
        `n`, `accuracy`, `chance`, `low`, `high`, `inside` over all questions and, under `families`
        and (if the table has them) `categories`, of each. `outside` lists the families outside
        their own interval; a share of 1 - confidence of them is expected by luck. `named` lists
        those outside even at the confidence that holds for all families jointly (Bonferroni); it
        should be empty.

    Raises:
        ContractError: the table has no family, no options or no score.
    """
    scores = [name for name in _SCORES if name in predictions.columns]
    # If a run only generated text, its column of likelihoods is empty.
    score = next((name for name in scores if predictions[name].null_count() < len(predictions)), "")
    missing = {"family", "options"} - set(predictions.columns)
    if missing or not score:
        raise ContractError(f"predictions have no {sorted(missing) or 'score'}; see p4d evaluate")
    rows = predictions.filter(pl.col(score).is_not_null() & pl.col("family").is_not_null())
    if rows.is_empty():
        raise ContractError("no answered question has a family")
    hits = rows[score].cast(pl.Float64).to_numpy()
    chances = 1 / rows["options"].list.len().cast(pl.Float64).to_numpy()

    def by(column: str, confidence: float) -> dict[str, dict[str, Any]]:
        values = rows[column].to_numpy()
        return {
            name: _against(hits[values == name], chances[values == name], confidence)
            for name in sorted(set(values.tolist()))
        }

    found = by("family", confidence)
    joint_confidence = 1 - (1 - confidence) / len(found)
    jointly_tested = by("family", joint_confidence)
    return {
        **_against(hits, chances, confidence),
        **({"categories": by("category", confidence)} if "category" in rows.columns else {}),
        "families": found,
        "outside": [name for name in found if not found[name]["inside"]],
        "named": [name for name in jointly_tested if not jointly_tested[name]["inside"]],
        "confidence": confidence,
        "confidence_of_named": round(joint_confidence, 6),
    }


def chance_interval(chances: np.ndarray, confidence: float) -> tuple[int, int]:
    """Return the least and greatest number of hits of chance at `confidence`, with equal tails.

    Args:
        chances: probability of a hit, per question.
        confidence: of the interval; the true coverage is at least that.
    """
    weights = np.ones(1)
    for chance, count in zip(*np.unique(chances, return_counts=True), strict=True):
        weights = np.convolve(weights, binom.pmf(np.arange(count + 1), count, chance))
    cumulative, tail = np.cumsum(weights), (1 - confidence) / 2
    low = int(np.searchsorted(cumulative, tail, side="right"))
    high = int(np.searchsorted(cumulative, 1 - tail, side="left"))
    return low, min(high, len(chances))


def _against(hits: np.ndarray, chances: np.ndarray, confidence: float) -> dict[str, Any]:
    low, high = chance_interval(chances, confidence)
    n = len(hits)
    return {
        "n": n,
        "accuracy": round(float(hits.mean()), 6),
        "chance": round(float(chances.mean()), 6),
        "low": round(low / n, 6),
        "high": round(high / n, 6),
        "inside": bool(low <= hits.sum() <= high),
    }
