"""Stage `questions`: from facts to multiple-choice questions, in balanced exchange groups."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table, write_table
from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.asking.compose import compose


def build_questions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `questions.parquet` and `refusals.parquet` (rejected candidates) of one shard."""
    params: QuestionsParams = inputs.params("questions")
    table = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = read_table(inputs.folder("regions") / "regions.parquet")
    facts = read_table(inputs.folder("facts") / "facts.parquet")
    composed = compose(table, regions, facts, params, inputs.params("release"))
    write_table(out / "questions.parquet", composed.questions, sort_by=["qa_id"])
    write_table(
        out / "refusals.parquet",
        composed.rejected,
        sort_by=["clip_id", "category", "family", "reason"],
    )
    asked = composed.questions.height
    by_category = Counter(composed.questions["category"].to_list())
    inputs.progress(table.height, table.height, f"{asked} questions")
    return StageReport(
        rows={"ok": asked, "filtered": int(composed.rejected["count"].sum())},
        metrics={
            "questions": asked,
            "clips_with_questions": composed.questions["clip_id"].n_unique(),
            **{f"questions_{name}": by_category[name] for name in CATEGORIES},
        },
    )
