"""What a student forgot: its scores on held-out external rows against those of another student.

A challenger is compared with the champion on the rows that both answered, or with the base student
if the champion answered too few of them. `general.py` makes the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table
from p4d.config import EvaluationParams, PromotionParams
from p4d.evaluation.arms.champion_ledger import read_general
from p4d.evaluation.arms.names import BASE, CHALLENGER
from p4d.evaluation.scoring.statistics import (
    OF_ACCURACY,
    OF_GAIN,
    Bootstrap,
    Interval,
    cluster_bootstrap,
)
from p4d.ids import seed_for

GENERAL_FILE = "general.parquet"


@dataclass(frozen=True)
class GeneralScores:
    """Scores on the held-out external rows: `row_id`, `group`, `score`; None: there are none.

    Attributes:
        own: of the challenger.
        base: of the student before training.
        incumbent: of the champion at its promotion.
    """

    own: pl.DataFrame | None = None
    base: pl.DataFrame | None = None
    incumbent: pl.DataFrame | None = None

    @classmethod
    def read(cls, evaluation: Path, previous: Path | None) -> GeneralScores:
        """The scores of an evaluation, and those of the previous champion."""
        incumbent = read_general(previous) if previous else None
        if not (evaluation / GENERAL_FILE).is_file():
            return cls(incumbent=incumbent)
        table = read_table(evaluation / GENERAL_FILE)

        def of(arm: str) -> pl.DataFrame:
            return table.filter(pl.col("arm") == arm).drop("arm").sort("row_id")

        return cls(own=of(CHALLENGER), base=of(BASE), incumbent=incumbent)


def forgetting(
    general: GeneralScores, rule: PromotionParams, statistics: EvaluationParams
) -> tuple[dict[str, Any] | None, str]:
    """The fall on held-out external rows as evidence, and the reason against a promotion if any."""
    if general.own is None or general.base is None:
        return None, (
            "no external row is held out (external.heldout_fraction), so nothing shows what the "
            "challenger forgot"
        )
    bootstrap = Bootstrap(statistics.bootstrap_samples, statistics.confidence)
    reference, compared_with = general.base, "base_student"
    if general.incumbent is not None:
        shared = len(general.own.join(general.incumbent, on="row_id", how="semi"))
        if shared >= rule.min_shared_questions * len(general.own):
            reference, compared_with = general.incumbent, "incumbent"
    fall = general_drop(general.own, reference, bootstrap)
    assert fall is not None, "the base student answers every row, and the champion enough of them"
    evidence = {"compared_with": compared_with, **fall.as_dict()}
    if fall.value <= rule.max_general_drop:
        return evidence, ""
    return evidence, (
        f"on {fall.n} held-out external rows the score fell by {fall.value:.3f} against "
        f"{compared_with}, more than {rule.max_general_drop:g}"
    )


def general_summary(scores: pl.DataFrame, statistics: Bootstrap) -> dict[str, Any]:
    """Mean score of every arm with its interval over groups, and the share of exact answers."""
    summary: dict[str, Any] = {"rows": scores["row_id"].n_unique()}
    for arm in scores["arm"].unique(maintain_order=True).to_list():
        of = scores.filter(pl.col("arm") == arm)
        summary[arm] = {
            **_mean(of, "score", statistics, OF_ACCURACY).as_dict(),
            "exact": round(of["exact"].sum() / len(of), 6),
            "loss": round(of["loss"].sum() / len(of), 4),
        }
    return summary


def general_drop(
    own: pl.DataFrame, reference: pl.DataFrame, statistics: Bootstrap
) -> Interval | None:
    """How far the mean score lies below that of a reference, over the rows that both answered.

    None if they share no row.
    """
    both = own.select("row_id", "group", "score").join(
        reference.select("row_id", before="score"), on="row_id"
    )
    if not both.height:
        return None
    fall = both.with_columns(fall=pl.col("before") - pl.col("score"))
    return _mean(fall, "fall", statistics, OF_GAIN)


def _mean(
    rows: pl.DataFrame, column: str, statistics: Bootstrap, bounds: tuple[float, float]
) -> Interval:
    ordered = rows.sort("row_id")
    return cluster_bootstrap(
        ordered[column].to_numpy(),
        ordered["group"].to_list(),
        statistics,
        seed=seed_for("general", column),
        bounds=bounds,
    )
