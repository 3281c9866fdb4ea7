"""One row per question: as composed, as released, as answered by each student, as reviewed."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from p4d.review.verdicts import Resolved

RELEASED, SUPERSEDED, DROPPED, LEFT_OUT = (
    "released",
    "released, superseded since",
    "dropped by reviewers",
    "not in the release",
)
STANDINGS = (RELEASED, LEFT_OUT, DROPPED, SUPERSEDED)

_COMMON = (
    "qa_id",
    "clip_id",
    "shard",
    "category",
    "family",
    "question",
    "options",
    "answer_index",
    "fact_ids",
    "region_ids",
    "margin_sigma",
    "has_truth",
)


def question_rows(
    composed: pl.DataFrame,
    released: pl.DataFrame,
    predictions: pl.DataFrame,
    verdicts: Mapping[str, Resolved],
) -> pl.DataFrame:
    """Questions that are current, and those that the release holds and that are not.

    A question that reviewers fixed is shown as the release has it. Besides the columns of the
    tables: `composed_id` (the id before a fix), `standing`, `split` (null outside of the release),
    `verdict` (accept, fix, drop or null), and for every arm NAME that answered `NAME_index` and
    `NAME_correct` (null where it was not asked).

    Args:
        composed: rows of `questions.parquet` with `shard`, in landing order.
        released: rows of the release.
        predictions: rows of the evaluation.
        verdicts: decisions by `qa_id`.
    """
    current = composed.unique("qa_id", keep="first", maintain_order=True)
    known = released.with_columns(
        composed_id=pl.coalesce("fixed_from", "qa_id"), standing=pl.lit(RELEASED)
    )
    is_current = pl.col("composed_id").is_in(current["qa_id"].implode())
    known = known.with_columns(
        standing=pl.when(is_current).then("standing").otherwise(pl.lit(SUPERSEDED))
    )
    dropped = [qa_id for qa_id, found in verdicts.items() if found.decision == "drop"]
    outside = current.filter(~pl.col("qa_id").is_in(known["composed_id"].implode())).with_columns(
        composed_id=pl.col("qa_id"),
        split=pl.lit(None, pl.String),
        standing=pl.when(pl.col("qa_id").is_in(dropped))
        .then(pl.lit(DROPPED))
        .otherwise(pl.lit(LEFT_OUT)),
    )
    columns = [*_COMMON, "composed_id", "split", "standing"]
    rows = pl.concat([known.select(columns), outside.select(columns)])
    place = current.select("qa_id").with_row_index("landed").rename({"qa_id": "composed_id"})
    return (
        rows.join(place, on="composed_id", how="left")
        .join(_decisions(rows, verdicts), on="qa_id", how="left")
        .join(_answers(predictions), on="qa_id", how="left")
        .sort("landed", "qa_id", nulls_last=True)
    )


def _decisions(rows: pl.DataFrame, verdicts: Mapping[str, Resolved]) -> pl.DataFrame:
    """The decision on a question, or on the one that it was before a fix."""
    decided = pl.DataFrame(
        {
            "id": list(verdicts),
            "decision": [found.decision for found in verdicts.values()],
            "conflict": [found.conflict for found in verdicts.values()],
        },
        schema={"id": pl.String, "decision": pl.String, "conflict": pl.Boolean},
    )
    own = rows.select("qa_id", "composed_id").join(
        decided, left_on="qa_id", right_on="id", how="left"
    )
    before = own.join(decided, left_on="composed_id", right_on="id", how="left", suffix="_before")
    return before.select(
        "qa_id",
        verdict=pl.coalesce("decision", "decision_before"),
        conflict=pl.coalesce("conflict", "conflict_before"),
    )


def _answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """The answers of all arms side by side, one row per question."""
    found = predictions.select("qa_id").unique()
    for arm in sorted(predictions["arm"].unique().to_list()):
        of = predictions.filter(arm=arm).unique("qa_id")
        found = found.join(
            of.select(
                "qa_id",
                pl.col("predicted_index").alias(f"{arm}_index"),
                pl.col("correct").alias(f"{arm}_correct"),
                pl.col("text").alias(f"{arm}_text"),
            ),
            on="qa_id",
            how="left",
        )
    return found
