"""Accuracies and paired gains over the runs, with intervals over videos and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student_t

from p4d.evaluation.scoring.cluster_t import cluster_t_p
from p4d.ids import seed_for
from p4d.students.data.questions import Question

SAMPLES, CONFIDENCE = 2000, 0.95
"""Protocol constants of the recorded report; the pipeline's own are in params.yaml."""


class RunAnswers:
    """Correctness of all runs on the same questions, with categories and videos."""

    def __init__(self, asked: pl.DataFrame, chosen: Mapping[str, Mapping[str, int]]) -> None:
        """Score the chosen options.

        Args:
            asked: `qa_id`, `video_id`, `category`, `options`, `answer_index` of each question.
            chosen: by name of the run, the chosen option of each question.
        """
        test = asked.sort("qa_id")
        self.categories = test["category"].to_numpy()
        self.names = sorted(set(self.categories.tolist()))
        self.chance = {
            name: round(
                float(np.mean([1 / len(o) for o in test.filter(category=name)["options"]])), 4
            )
            for name in self.names
        }
        _, self.cluster = np.unique(test["video_id"].to_numpy(), return_inverse=True)
        index = dict(zip(test["qa_id"], test["answer_index"], strict=True))
        self._right = {
            name: np.array([answers[qa] == right for qa, right in index.items()], float)
            for name, answers in chosen.items()
        }

    @property
    def runs(self) -> frozenset[str]:
        """Names of the runs."""
        return frozenset(self._right)

    def right(self, run: str) -> np.ndarray:
        """Return 1 for each question that the run answered correctly, else 0."""
        return self._right[run]

    def accuracy(self, run: str) -> dict[str, float]:
        """Return the accuracy per category, and their mean."""
        right = self.right(run)
        found = {name: float(right[self.categories == name].mean()) for name in self.names}
        found["mean"] = float(np.mean(list(found.values())))
        return {name: round(value, 4) for name, value in found.items()}

    def gain(self, ones: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
        """Return accuracy of `ones` minus `others`, paired by seed, averaged over categories.

        Returns:
            `mean`, `seeds`, `n` (questions), `ci95` (resamples videos, with all questions of a
            video, and seeds), `ci95_seeds` (Student's t over the means of the seeds; None for one
            seed) and `per_category`: mean, ci95, `p` (two-sided, over videos) and `p_holm`
            (corrected for all categories, Holm 1979).
        """
        pairs = zip(ones, others, strict=True)
        difference = np.stack([self.right(a) - self.right(b) for a, b in pairs])
        clusters, kinds = int(self.cluster.max()) + 1, len(self.names)
        kind = np.searchsorted(self.names, self.categories)
        cell = self.cluster * kinds + kind
        counts = np.bincount(cell, minlength=clusters * kinds).reshape(clusters, kinds)
        sums = np.stack(
            [np.bincount(cell, d, clusters * kinds).reshape(clusters, kinds) for d in difference]
        )
        rng = np.random.default_rng(seed_for("gain", *ones, *others))
        drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), SAMPLES)
        seeds = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), SAMPLES) / len(sums)
        per_seed = np.einsum("bc,sck->bsk", drawn, sums)
        resampled = np.einsum("bs,bsk->bk", seeds, per_seed) / np.maximum(drawn @ counts, 1)
        value = sums.mean(axis=0).sum(axis=0) / counts.sum(axis=0)
        p = [_p_over_videos(sums.mean(axis=0)[:, k], counts[:, k]) for k in range(kinds)]
        corrected = holm(p)
        return {
            "mean": round(float(value.mean()), 4),
            "ci95": _interval(resampled.mean(axis=1)),
            "ci95_seeds": t_interval((sums.sum(axis=1) / counts.sum(axis=0)).mean(axis=1)),
            "seeds": len(sums),
            "n": len(self.categories),
            "per_category": {
                name: {
                    "mean": round(float(value[k]), 4),
                    "ci95": _interval(resampled[:, k]),
                    "p": round(p[k], 6),
                    "p_holm": round(corrected[k], 6),
                }
                for k, name in enumerate(self.names)
            },
        }


def accuracy_of(questions: Sequence[Question], chosen: Mapping[str, int]) -> float:
    """Return the accuracy averaged over categories."""
    right: dict[str, list[bool]] = {}
    for question in questions:
        hit = chosen[question.qa_id] == question.answer_index
        right.setdefault(question.category, []).append(hit)
    return round(float(np.mean([np.mean(hits) for hits in right.values()])), 4)


def t_interval(values: np.ndarray) -> list[float] | None:
    """Return the t-interval of the mean of independent values; None for a single one."""
    if len(values) < 2:
        return None
    half = student_t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1)
    half /= np.sqrt(len(values))
    return [round(float(values.mean() - half), 4), round(float(values.mean() + half), 4)]


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for looking at all of them (Holm 1979)."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = largest
    return corrected


def _p_over_videos(sums: np.ndarray, counts: np.ndarray) -> float:
    """Return the p of one category, over the videos that are asked about it."""
    asked = counts > 0
    return float(cluster_t_p(sums[asked], counts[asked])) if asked.sum() > 1 else 1.0


def _interval(values: np.ndarray) -> list[float]:
    tail = (1 - CONFIDENCE) / 2
    return [round(float(v), 4) for v in np.quantile(values, [tail, 1 - tail])]


def gain_over_seeds(answers: RunAnswers, arm: str, other: str, seeds: int) -> dict[str, Any] | None:
    """Return the gain of one arm over another over the seeds that both have; None without any."""
    pairs = [(f"{arm}-{seed}", f"{other}-{seed}") for seed in range(seeds)]
    both = [pair for pair in pairs if all(name in answers.runs for name in pair)]
    if not both:
        return None
    return answers.gain(*(list(names) for names in zip(*both, strict=True)))
