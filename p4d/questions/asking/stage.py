"""Stage `questions`: from facts to multiple-choice questions, in balanced exchange groups."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import polars as pl

from p4d.artifacts import Arrays, read_table, write_table
from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.asking.compose import compose
from p4d.truth.clip_parts import stated_parts


def build_questions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `questions.parquet` and `refusals.parquet` (refused candidates) of one shard."""
    params: QuestionsParams = inputs.params("questions")
    table = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = read_table(inputs.folder("regions") / "regions.parquet")
    facts = read_table(inputs.folder("facts") / "facts.parquet")
    if params.seconds == "pictures":
        table = _with_pictures(table, inputs.folder("clips") / "frames.safetensors")
    composed = compose(table, regions, facts, params, inputs.params("release"))
    questions = composed.questions
    if parts := stated_parts(inputs.folder("clips")):
        questions = _with_basis(questions, facts, list(parts))
    write_table(out / "questions.parquet", questions, sort_by=["qa_id"])
    write_table(
        out / "refusals.parquet",
        composed.refused,
        sort_by=["clip_id", "category", "family", "reason"],
    )
    asked = composed.questions.height
    by_category = Counter(composed.questions["category"].to_list())
    inputs.progress(table.height, table.height, f"{asked} questions")
    return StageReport(
        rows={"ok": asked, "filtered": int(composed.refused["count"].sum())},
        metrics={
            "questions": asked,
            "clips_with_questions": composed.questions["clip_id"].n_unique(),
            **{f"questions_{name}": by_category[name] for name in CATEGORIES},
        },
    )


def _with_pictures(clips: pl.DataFrame, frames: Path) -> pl.DataFrame:
    """Add `pictures`, a digest of the frames of each clip."""
    arrays = Arrays(frames)
    digests = [
        hashlib.sha256(arrays[f"{clip_id}.rgb_thw3"].tobytes()).hexdigest()
        for clip_id in clips["clip_id"].to_list()
    ]
    return clips.with_columns(pictures=pl.Series(digests, dtype=pl.String))


def _with_basis(questions: pl.DataFrame, facts: pl.DataFrame, in_parts: list[str]) -> pl.DataFrame:
    """`has_truth` of a clip whose truth came in parts: whether it gave all facts of the answer."""
    exact = set(facts.filter(teacher="exact")["fact_id"])
    by_truth = pl.Series([exact.issuperset(ids) for ids in questions["fact_ids"]], dtype=pl.Boolean)
    return questions.with_columns(
        has_truth=pl.when(pl.col("clip_id").is_in(in_parts))
        .then(by_truth)
        .otherwise(pl.col("has_truth"))
    )
