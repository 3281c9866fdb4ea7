"""From replies to scores: parsed answers, three readings of unparsed text, the twelve columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from p4d.evaluation.benchmarks.item import BadItem, Benchmark, BenchmarkItem
from p4d.evaluation.benchmarks.vsti_bench import SUBTASKS
from p4d.evaluation.scoring.answering import Reply
from p4d.evaluation.scoring.answers import parse_answer, parse_number
from p4d.evaluation.scoring.metrics import AVERAGE, Bootstrap, Interval, accuracy_by_slice
from p4d.ids import seed_for

COLUMNS: Mapping[str, str] = {
    "Avg": AVERAGE,
    "Sta": "Static",
    "Dyn": "Dynamic",
    "VG": "3D Video Grounding",
    "DM": "Dimensional Measurement",
    "SR": "Spatial Relation",
    "R": "Rotational",
    "C": "Counting",
    "T": "Translational",
    "FP": "False Positives",
    "SA": "Speed & Acceleration",
    "DP": "Displacement & Path Length",
}
"""The twelve columns of the paper's table 3, in its order."""

THRESHOLDS = np.linspace(0.5, 0.95, 10)

WAYS: Mapping[str, str] = {
    "likelihood": "the option that is most likely",
    "text_wrong": "text, where what cannot be read is wrong",
    "text_random": "text, where what cannot be read becomes a letter by chance (seeded)",
    "text_excluded": "text, of what can be read only",
    "published_rule": "text, by the benchmark's own parser and rule",
}
"""The ways in which an answer is taken from a reply."""

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
    **dict.fromkeys(WAYS, pl.Float64),
}


def mean_relative_accuracy(said: float, truth: float) -> float:
    """Share of the thresholds 0.50, 0.55, ..., 0.95 whose tolerance the answer keeps.

    An answer keeps threshold c if its relative error is at most 1 - c (VSI-Bench, VSTI-Bench).
    `truth` is not zero.
    """
    error = abs(said - truth) / abs(truth)
    return float(np.mean(error <= 1 - THRESHOLDS + 1e-12))


def predictions(
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    replies: Mapping[str, Reply],
    views: Mapping[str, str],
) -> pl.DataFrame:
    """One row per item, bad ones included; scores are null where a way does not apply.

    Args:
        benchmark: gives the parser of its own evaluation.
        items: those that were asked.
        replies: by item id.
        views: what the items show, by id.
    """
    rows = [_row(benchmark, item, replies[item.item_id], views[item.item_id]) for item in items]
    rows += [_bad(bad) for bad in benchmark.bad]
    return pl.DataFrame(rows, schema=PREDICTION_SCHEMA).sort("qa_id")


def _bad(bad: BadItem) -> dict[str, Any]:
    empty = dict.fromkeys(PREDICTION_SCHEMA)
    return empty | {"qa_id": bad.item_id, "outcome": "rejected", "reason": bad.reason}


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
        return row | _numeric(item, reply.text or "")
    return row | _choice(benchmark, item, reply)


def _numeric(item: BenchmarkItem, text: str) -> dict[str, Any]:
    said, truth = parse_number(text), item.answer_value or 0.0
    score = 0.0 if said is None else round(mean_relative_accuracy(said, truth), 6)
    first = parse_number(text.split()[0].rstrip(".")) if text.split() else None
    published = 0.0 if first is None else round(mean_relative_accuracy(first, truth), 6)
    return {
        "parsed_value": said,
        "text_wrong": score,
        "text_random": score,  # a number cannot be drawn from a list
        "text_excluded": None if said is None else score,
        "published_rule": published,
    }


def _choice(benchmark: Benchmark, item: BenchmarkItem, reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = {}
    right, count = item.answer_index, len(item.options)
    if reply.likeliest is not None:
        found["likelihood"] = float(reply.likeliest == right)
    if reply.text is None:
        return found
    guess = int(np.random.default_rng(seed_for("unparsed", item.item_id)).integers(count))
    said = parse_answer(reply.text, item.options)
    own = benchmark.letter_of(reply.text, count)
    if own is None and benchmark.unparsed == "random":
        own = guess
    return found | {
        "parsed_index": said,
        "text_wrong": float(said == right),
        "text_random": float((guess if said is None else said) == right),
        "text_excluded": None if said is None else float(said == right),
        "published_rule": float(own == right),
    }


def way_of_record(table: pl.DataFrame) -> str:
    """Likelihood where every answered choice has it, else text with unread text as wrong."""
    choices = table.filter((pl.col("outcome") == "ok") & (pl.col("kind") == "mcq"))
    scored = len(choices) and choices["likelihood"].null_count() == 0
    return "likelihood" if scored and (table["kind"] != "numeric").all() else "text_wrong"


def by_way(table: pl.DataFrame, how: Bootstrap) -> dict[str, dict[str, Interval]]:
    """Mean score with its interval, per way of taking the answer and slice."""
    found = {}
    for way in WAYS:
        rows = table.filter((pl.col("outcome") == "ok") & pl.col(way).is_not_null())
        if len(rows):
            scored = rows.with_columns(correct=pl.col(way))
            found[way] = accuracy_by_slice(scored, how)
    return found


def twelve_columns(found: Mapping[str, Interval]) -> dict[str, float | None]:
    """The paper's columns, in per cent; None where a category has no question."""
    return {
        short: round(100 * found[name].value, 2) if name in found else None
        for short, name in COLUMNS.items()
    }


def metrics(benchmark: Benchmark, table: pl.DataFrame, how: Bootstrap) -> dict[str, Any]:
    """Everything `metrics.json` says of one model on one benchmark.

    Failed and rejected items are counted and left out of every mean.
    """
    ok = table.filter(pl.col("outcome") == "ok")
    choices = ok.filter(pl.col("kind") == "mcq")
    texts = choices.filter(pl.col("text").is_not_null())
    unread = texts["parsed_index"].null_count()
    scores = by_way(table, how)
    record = way_of_record(table)
    result: dict[str, Any] = {
        "benchmark": benchmark.name,
        "items": len(table),
        "outcomes": dict(sorted(table.group_by("outcome").len().iter_rows())),
        "groups": ok["group"].n_unique(),
        "way_of_record": record,
        "ways": dict(WAYS),
        "chance": _chance(choices),
        "generated": len(texts),
        "unparsed": unread,
        "unparsed_share": round(unread / max(len(texts), 1), 6),
        "scores": {
            way: {name: interval.as_dict() for name, interval in found.items()}
            for way, found in scores.items()
        },
        "twelve_columns": {way: twelve_columns(found) for way, found in scores.items()},
    }
    numeric = ok.filter(pl.col("kind") == "numeric")
    if len(numeric):
        result["mean_relative_accuracy"] = round(float(numeric["text_wrong"].mean()), 6)  # type: ignore[arg-type]
        result["unparsed_numbers"] = numeric["parsed_value"].null_count()
    if benchmark.name == "vsti-bench":
        result["over_types"] = {way: over_types(ok, way) for way in scores if way != "likelihood"}
    if record in scores:
        headline = scores[record][AVERAGE]
        result |= {"accuracy": headline.value, "low": headline.low, "high": headline.high}
    return result


def over_types(ok: pl.DataFrame, way: str) -> dict[str, float]:
    """VSTI-Bench's overall score: the mean over types, plain and with variants averaged first."""
    kept = ok.filter(pl.col(way).is_not_null())
    per_type = dict(kept.group_by("category").agg(pl.col(way).mean()).sort("category").iter_rows())
    merged: dict[str, list[float]] = {}
    for name, value in per_type.items():
        stem = next((stem for stem in SUBTASKS if name.startswith(stem)), name)
        merged.setdefault(stem, []).append(value)
    return {
        "mean_of_types": round(float(np.mean(list(per_type.values()))), 6),
        "mean_of_subtasks": round(float(np.mean([np.mean(v) for v in merged.values()])), 6),
    }


def _chance(choices: pl.DataFrame) -> float | None:
    if choices.is_empty():
        return None
    return round(float((1 / choices["options"].list.len()).mean()), 6)  # type: ignore[arg-type]
