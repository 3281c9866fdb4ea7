"""One row per item: the reply, what was parsed from it, and a score by each scoring method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.evaluation.answering.replies import Reply
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, RejectedItem
from p4d.evaluation.benchmarks.published_rules import drawn_option
from p4d.evaluation.reading.choices import read_choice
from p4d.evaluation.reading.numbers import read_number, unit_asked

FILE = "predictions.parquet"

SCORING_METHODS: Mapping[str, str] = {
    "likelihood": "the most likely option",
    "text_wrong": "text; unparsed counts as wrong",
    "text_random": "text; unparsed becomes a random letter (seeded by the item's id)",
    "text_excluded": "text; unparsed is left out",
    "published_rule": "text, by the benchmark's own parser and rule",
}
"""How a reply becomes a score."""

MRA_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Confidence thresholds of mean relative accuracy (VSI-Bench, arXiv 2412.14171, section 3)."""

PREDICTION_SCHEMA: dict[str, Any] = {
    "qa_id": pl.String,
    "clip_id": pl.String,
    "group": pl.String,
    "category": pl.String,
    "family": pl.String,
    "dynamic": pl.Boolean,
    "kind": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),
    "answer_index": pl.Int64,
    "answer_value": pl.Float64,
    "outcome": pl.String,
    "reason": pl.String,
    "option_logp": pl.List(pl.Float64),
    "text": pl.String,
    "parsed_index": pl.Int64,
    "parsed_value": pl.Float64,
    **dict.fromkeys(SCORING_METHODS, pl.Float64),
}


def mean_relative_accuracy(predicted: float, truth: float) -> float:
    """Return the share of the thresholds 0.50, 0.55, ..., 0.95 that the prediction meets.

    A prediction meets threshold c if its relative error is at most 1 - c (VSI-Bench, VSTI-Bench).
    `truth` must not be zero.
    """
    error = abs(predicted - truth) / abs(truth)
    return float(np.mean(error <= 1 - MRA_THRESHOLDS + 1e-12))


def predictions(
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    replies: Mapping[str, Reply],
    views: Mapping[str, str],
) -> pl.DataFrame:
    """Return one row per item, rejected ones included; scores that do not apply are null.

    Args:
        benchmark: supplies the published rules.
        items: those that were asked.
        replies: by item id.
        views: id of the frames that each item shows, by item id.
    """
    rows = [_row(benchmark, item, replies[item.item_id], views[item.item_id]) for item in items]
    rows += [_rejected(rejected) for rejected in benchmark.rejected]
    return pl.DataFrame(rows, schema=PREDICTION_SCHEMA).sort("qa_id")


def read_predictions(folder: Path) -> pl.DataFrame:
    """Read the predictions of a finished evaluation.

    Raises:
        ContractError: the folder holds none.
    """
    path = folder / FILE
    if not path.is_file():
        raise ContractError(f"{folder} holds no {FILE}; run p4d evaluate first")
    return read_table(path)


def primary_metric(table: pl.DataFrame) -> str:
    """Return the scoring method that decides.

    It is `likelihood` if every answered choice has it and nothing is numeric, else `text_wrong`.
    """
    choices = table.filter((pl.col("outcome") == "ok") & (pl.col("kind") == "mcq"))
    scored = len(choices) and choices["likelihood"].null_count() == 0
    return "likelihood" if scored and (table["kind"] != "numeric").all() else "text_wrong"


def scored_by(table: pl.DataFrame, method: str) -> pl.DataFrame:
    """Return the answered rows that have a score by `method`, with that score as `correct`."""
    return table.filter((pl.col("outcome") == "ok") & pl.col(method).is_not_null()).with_columns(
        correct=pl.col(method)
    )


def _rejected(item: RejectedItem) -> dict[str, Any]:
    empty = dict.fromkeys(PREDICTION_SCHEMA)
    return empty | {"qa_id": item.item_id, "outcome": "rejected", "reason": item.reason}


def _row(benchmark: Benchmark, item: BenchmarkItem, reply: Reply, view: str) -> dict[str, Any]:
    row = dict.fromkeys(PREDICTION_SCHEMA) | {
        "qa_id": item.item_id,
        "clip_id": view,
        "group": item.group,
        "category": item.category,
        "family": item.family,
        "dynamic": item.dynamic,
        "kind": item.kind,
        "question": item.question,
        "options": list(item.options),
        "answer_index": item.answer_index,
        "answer_value": item.answer_value,
        "outcome": "failed" if reply.failure else "ok",
        "reason": reply.failure,
        "option_logp": list(reply.option_logp),
        "text": reply.text,
    }
    if reply.failure:
        return row
    if item.kind == "numeric":
        return row | _numeric(benchmark, item, reply.text or "")
    return row | _choice(benchmark, item, reply)


def _numeric(benchmark: Benchmark, item: BenchmarkItem, text: str) -> dict[str, Any]:
    parsed, truth = read_number(text, unit_asked(item.question)), item.answer_value or 0.0
    score = 0.0 if parsed is None else round(mean_relative_accuracy(parsed, truth), 6)
    return {
        "parsed_value": parsed,
        "text_wrong": score,
        "text_random": score,  # a number cannot be drawn from a list
        "text_excluded": None if parsed is None else score,
        "published_rule": round(benchmark.rules.score(item, text), 6),
    }


def _choice(benchmark: Benchmark, item: BenchmarkItem, reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = {}
    right = item.answer_index
    if reply.likeliest is not None:
        found["likelihood"] = float(reply.likeliest == right)
    if reply.text is None:
        return found
    guess = drawn_option(item)
    parsed = read_choice(reply.text, item.options)
    return found | {
        "parsed_index": parsed,
        "text_wrong": float(parsed == right),
        "text_random": float((guess if parsed is None else parsed) == right),
        "text_excluded": None if parsed is None else float(parsed == right),
        "published_rule": benchmark.rules.score(item, reply.text),
    }
