"""Measures how far reviewers agree and which share of each family they drop, with intervals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from p4d.review.verdicts import DECISIONS, Verdict, latest, resolve

Z_95 = 1.959964


def wilson(hits: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927); valid at 0, at 1 and for few rows.

    Returns:
        Lower and upper end in [0, 1]; the whole range if there is no row.
    """
    if of == 0:
        return 0.0, 1.0
    share, weight = hits / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two annotators beyond chance (Cohen 1960); None if it is not defined."""
    if not pairs:
        return None
    observed = sum(a == b for a, b in pairs) / len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(first[d] * second[d] for d in first) / len(pairs) ** 2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def fleiss_kappa(ratings: Iterable[Sequence[str]]) -> float | None:
    """Agreement of any number of annotators beyond chance (Fleiss 1971).

    Args:
        ratings: per question, one decision per annotator. The number may differ between questions;
            those with fewer than two are left out.

    Returns:
        Kappa, or None without a pair of ratings or if all ratings are the same.
    """
    counts = [Counter(each) for each in ratings if len(each) > 1]
    if not counts:
        return None
    agreements = []
    for found in counts:
        n = found.total()
        agreements.append(sum(k * (k - 1) for k in found.values()) / (n * (n - 1)))
    totals = sum(counts, Counter[str]())
    expected = sum((k / totals.total()) ** 2 for k in totals.values())
    return (
        None if expected == 1 else (sum(agreements) / len(agreements) - expected) / (1 - expected)
    )


def review_report(
    verdicts: Sequence[Verdict], questions: pl.DataFrame, not_applicable: Sequence[str]
) -> dict[str, Any]:
    """Results of the review of a release's questions, as JSON values.

    Args:
        verdicts: all verdicts, superseded ones included.
        questions: the questions as composed, before any verdict: qa_id, category, family.
        not_applicable: reviewed ids that no question has.
    """
    applied = [v for v in latest(verdicts) if v.qa_id not in set(not_applicable)]
    by_question: dict[str, list[Verdict]] = {}
    for verdict in applied:
        by_question.setdefault(verdict.qa_id, []).append(verdict)
    resolved = resolve(applied)
    annotators = sorted({v.annotator for v in applied})
    return {
        "verdicts": len(verdicts),
        "questions_reviewed": len(by_question),
        "annotators": len(annotators),
        "questions_with_two_or_more": sum(len(v) > 1 for v in by_question.values()),
        "conflicts": sum(found.conflict for found in resolved.values()),
        "not_applicable": len(not_applicable),
        "fleiss_kappa": _rounded(
            fleiss_kappa([[v.decision for v in of] for of in by_question.values()])
        ),
        "cohen_kappa": _pairwise(annotators, by_question),
        "decisions": {d: sum(r.decision == d for r in resolved.values()) for d in DECISIONS},
        "by_family": _by_family(questions, {k: r.decision for k, r in resolved.items()}),
    }


def _pairwise(
    annotators: Sequence[str], by_question: Mapping[str, Sequence[Verdict]]
) -> list[dict[str, Any]]:
    """Cohen's kappa of each pair with common questions. Annotators are numbered, not named."""
    said = [
        {annotators.index(v.annotator): v.decision for v in found} for found in by_question.values()
    ]
    rows = []
    for a, b in itertools.combinations(range(len(annotators)), 2):
        pairs = [(of[a], of[b]) for of in said if a in of and b in of]
        if pairs:
            rows.append(
                {
                    "pair": [a + 1, b + 1],
                    "questions": len(pairs),
                    "agree": sum(x == y for x, y in pairs),
                    "kappa": _rounded(cohen_kappa(pairs)),
                }
            )
    return rows


def _by_family(questions: pl.DataFrame, decisions: Mapping[str, str]) -> list[dict[str, Any]]:
    reviewed = questions.filter(pl.col("qa_id").is_in(list(decisions)))
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in reviewed.select("qa_id", "category", "family").iter_rows(named=True):
        key = (row["category"], row["family"])
        counts.setdefault(key, Counter())[decisions[row["qa_id"]]] += 1
    rows = []
    for (category, family), found in sorted(counts.items()):
        low, high = wilson(found["drop"], found.total())
        rows.append(
            {
                "category": category,
                "family": family,
                "reviewed": found.total(),
                "fixed": found["fix"],
                "dropped": found["drop"],
                "drop_rate": _rounded(found["drop"] / found.total()),
                "low": _rounded(low),
                "high": _rounded(high),
            }
        )
    return rows


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
