"""Means with cluster-bootstrap intervals, paired gains and priors.

Questions about one video are not independent, so videos (near-duplicate groups) are resampled.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

import numpy as np
import polars as pl

from p4d.categories import DYNAMIC, STATIC
from p4d.errors import ContractError
from p4d.ids import seed_for

AVERAGE = "Average"

OF_ACCURACY, OF_GAIN = (0.0, 1.0), (-1.0, 1.0)
"""The bounds that hold without any data: `bounds` of `cluster_bootstrap`."""

T = TypeVar("T")


@dataclass(frozen=True)
class Interval:
    """A mean over `n` questions of `clusters` videos, with its bootstrap interval."""

    value: float
    low: float
    high: float
    n: int
    clusters: int

    def as_dict(self) -> dict[str, float | int]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Bootstrap:
    """Settings of the intervals: number of resamples, and confidence (for example 0.95)."""

    samples: int
    confidence: float

    def interval(
        self,
        values: Sequence[float] | np.ndarray,
        clusters: Sequence[str],
        *,
        seed: int,
        bounds: tuple[float, float],
    ) -> Interval:
        """See `cluster_bootstrap`."""
        return cluster_bootstrap(values, clusters, self, seed=seed, bounds=bounds)


class IntervalMethod(Protocol):
    """Makes the interval of a mean over clusters: `Bootstrap`, or `ClusterT` of `cluster_t.py`."""

    def interval(
        self,
        values: Sequence[float] | np.ndarray,
        clusters: Sequence[str],
        *,
        seed: int,
        bounds: tuple[float, float],
    ) -> Interval:
        """The mean of `values` with its interval; arguments as of `cluster_bootstrap`."""
        ...


def cluster_bootstrap(
    values: Sequence[float] | np.ndarray,
    clusters: Sequence[str],
    bootstrap: Bootstrap,
    *,
    seed: int,
    bounds: tuple[float, float],
) -> Interval:
    """Return the mean of `values` and its percentile interval over resampled clusters.

    A single cluster carries no information on how clusters differ. Its interval is `bounds`,
    because resampling it would give a width of zero.

    Args:
        values: one per question: 0 or 1, or a difference of two arms.
        clusters: the video (or near-duplicate group) of each question.
        bootstrap: number of resamples and confidence.
        seed: of the resampling; equal seeds give equal intervals.
        bounds: least and greatest possible value.

    Raises:
        ContractError: no values, or not one cluster per value.
    """

    def ends(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
        drawn = np.random.default_rng(seed).integers(0, len(sums), (bootstrap.samples, len(sums)))
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        tail = (1 - bootstrap.confidence) / 2
        low, high = np.quantile(means, [tail, 1 - tail])
        return float(low), float(high)

    return cluster_interval(values, clusters, ends, bounds)


def cluster_interval(
    values: Sequence[float] | np.ndarray,
    clusters: Sequence[str],
    ends: Callable[[np.ndarray, np.ndarray], tuple[float, float]],
    bounds: tuple[float, float],
) -> Interval:
    """The mean of `values`, with the ends that a method gives for more than one cluster.

    Args:
        values: one per question.
        clusters: of each question.
        ends: from the sum and the number of the values of each cluster.
        bounds: least and greatest possible value, the interval of a single cluster.

    Raises:
        ContractError: no values, or not one cluster per value.
    """
    numbers = np.asarray(values, np.float64)
    if not len(numbers) or len(numbers) != len(clusters):
        raise ContractError(f"{len(numbers)} values with {len(clusters)} clusters")
    names, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    low, high = bounds
    if len(names) > 1:
        sums = np.bincount(member, weights=numbers, minlength=len(names))
        low, high = ends(sums, np.bincount(member, minlength=len(names)))
    return Interval(
        value=round(float(numbers.mean()), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        n=len(numbers),
        clusters=len(names),
    )


def slices(
    categories: Sequence[str], dynamic: Sequence[bool | None] | None = None
) -> dict[str, np.ndarray]:
    """Return the rows of each non-empty slice: `Average`, `Static`, `Dynamic`, each category.

    `dynamic` decides row by row, for categories that are not R4D-Bench's; None is neither.
    """
    names = np.asarray(categories, dtype=str)
    static_rows, dynamic_rows = np.isin(names, STATIC), np.isin(names, DYNAMIC)
    if dynamic is not None:
        static_rows = np.array([value is False for value in dynamic], bool)
        dynamic_rows = np.array([value is True for value in dynamic], bool)
    chosen = {
        AVERAGE: np.ones(len(names), bool),
        "Static": static_rows,
        "Dynamic": dynamic_rows,
        **{name: names == name for name in sorted(set(categories))},
    }
    return {name: rows for name, rows in chosen.items() if rows.any()}


def accuracy_by_slice(rows: pl.DataFrame, bootstrap: Bootstrap) -> dict[str, Interval]:
    """Return the mean score per slice of one arm's predictions (`category`, `group`, `correct`).

    A column `dynamic`, if present, decides which rows are static and which dynamic.
    """
    correct = rows["correct"].to_numpy().astype(float)
    return _by_slice(rows, correct, bootstrap, "accuracy", OF_ACCURACY)


def paired_gain(
    challenger: pl.DataFrame, baseline: pl.DataFrame, method: IntervalMethod
) -> dict[str, Interval]:
    """Return accuracy of `challenger` minus `baseline` per slice, on questions both answered.

    Raises:
        ContractError: they share no question.
    """
    both = challenger.join(
        baseline.select("qa_id", pl.col("correct").alias("baseline")), on="qa_id", how="inner"
    ).sort("qa_id")
    if both.is_empty():
        raise ContractError("the compared predictions share no question")
    gain = both["correct"].to_numpy().astype(float) - both["baseline"].to_numpy().astype(float)
    return _by_slice(both, gain, method, "gain", OF_GAIN)


def _by_slice(
    rows: pl.DataFrame,
    values: np.ndarray,
    method: IntervalMethod,
    purpose: str,
    bounds: tuple[float, float],
) -> dict[str, Interval]:
    """Return the mean of one value per row for each slice; `purpose` seeds the resampling."""
    groups = rows["group"].to_numpy()
    dynamic = rows["dynamic"].to_list() if "dynamic" in rows.columns else None
    return {
        name: method.interval(
            values[chosen],
            groups[chosen].tolist(),
            seed=seed_for(purpose, name),
            bounds=bounds,
        )
        for name, chosen in slices(rows["category"].to_list(), dynamic).items()
    }


def prior_accuracies(train: pl.DataFrame, test: pl.DataFrame) -> Mapping[str, float]:
    """Return the test accuracies of counting the answers of the train split, without a model.

    `chance`: mean of 1 / options. `majority_letter`: always the letter most frequent in its
    category. `majority_text`: of the offered options, the one whose text was most often right for
    the same family.

    Args:
        train: `category`, `family`, `options`, `answer_index` of the train questions.
        test: the same columns of the test questions.
    """
    letters: dict[str, Counter[int]] = {}
    texts: dict[str, Counter[str]] = {}
    for row in train.iter_rows(named=True):
        letters.setdefault(row["category"], Counter())[row["answer_index"]] += 1
        answer = row["options"][row["answer_index"]]
        texts.setdefault(row["family"], Counter())[answer] += 1
    hits = {"chance": 0.0, "majority_letter": 0.0, "majority_text": 0.0}
    for row in test.iter_rows(named=True):
        options = row["options"]
        by_letter = _first_most(range(len(options)), letters.get(row["category"], Counter()))
        by_text = options.index(_first_most(options, texts.get(row["family"], Counter())))
        hits["chance"] += 1 / len(options)
        hits["majority_letter"] += by_letter == row["answer_index"]
        hits["majority_text"] += by_text == row["answer_index"]
    return {name: round(value / max(len(test), 1), 6) for name, value in hits.items()}


def _first_most(candidates: Sequence[T], counts: Counter[T]) -> T:
    """Return the candidate with the highest count; the first of equals."""
    return max(candidates, key=lambda candidate: counts[candidate])


def by_category_csv(scores: Mapping[str, Mapping[str, Interval]], label: str) -> bytes:
    """Return a table for `dvc plots`: one row per label (an arm or scoring method) and slice."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([label, "category", "n", "accuracy", "low", "high"])
    for name, found in scores.items():
        for category, i in found.items():
            writer.writerow([name, category, i.n, i.value, i.low, i.high])
    return text.getvalue().encode()
