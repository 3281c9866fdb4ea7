"""Answers of every arm to the questions of the test split.

The score of record is the likelihood of the letters: it needs no parser and every question gets an
answer. Text is generated besides, on a fixed part of the same questions, and parsed honestly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import EvaluationParams
from p4d.errors import ContractError
from p4d.evaluation.answers import parse_answer
from p4d.evaluation.metrics import (
    Bootstrap,
    Interval,
    accuracy_by_slice,
    paired_gain,
    prior_accuracies,
)
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.students.data import ClipReader, Packer, Question, Sample, load_questions
from p4d.students.student import Student, load
from p4d.teachers.compute import deterministic

ARMS: Mapping[str, str] = {"sft": "student_sft", "p4d": "student_p4d", "blind": "student_blind"}
COMPARED = (("p4d", "sft"), ("p4d", "blind"), ("sft", "blind"))
ANSWER_TOKENS = 8

T = TypeVar("T")


def build_evaluation(inputs: StageInputs, out: Path) -> StageReport:
    """Score, generate, parse and compare; see the module's text.

    Writes `predictions.parquet`, `metrics.json`, `by_category.csv` and `comparisons.json`.

    Raises:
        ContractError: the release has no test questions.
    """
    params: EvaluationParams = inputs.params("evaluation")
    frames: int = inputs.params("clips").frames
    release = inputs.folder("release")
    questions = load_questions(release, "test")
    if not questions:
        raise ContractError("the release has no questions in its test split")
    clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    groups = dict(read_table(release / "clips.parquet").select("clip_id", "group").iter_rows())
    tables = []
    for number, (arm, stage) in enumerate(ARMS.items(), start=1):
        student = load(inputs.folder(stage))
        with deterministic(params.threads, seed=0):
            tables.append(answer(student, questions, clips, frames, params, groups, arm=arm))
        inputs.progress(number, len(ARMS), f"{arm} answered {len(questions)} questions")
    predictions = pl.concat(tables)
    write_table(out / "predictions.parquet", predictions, sort_by=["arm", "qa_id"])

    statistics = Bootstrap(params.bootstrap_samples, params.confidence)
    of_arm = {arm: predictions.filter(pl.col("arm") == arm) for arm in ARMS}
    accuracy = {arm: accuracy_by_slice(rows, statistics) for arm, rows in of_arm.items()}
    gains = {f"{a}_over_{b}": paired_gain(of_arm[a], of_arm[b], statistics) for a, b in COMPARED}
    questions_table = read_table(release / "questions.parquet")
    split = pl.col("split")
    priors = prior_accuracies(
        questions_table.filter(split == "train"), questions_table.filter(split == "test")
    )
    metrics = {
        "questions": len(questions),
        "groups": predictions["group"].n_unique(),
        **priors,
        **{arm: _summary(accuracy[arm], of_arm[arm]) for arm in ARMS},
        "gain": {name: found["Average"].as_dict() for name, found in gains.items()},
    }
    write_json(out / "metrics.json", metrics)
    write_bytes(out / "by_category.csv", _by_category(accuracy))
    write_json(
        out / "comparisons.json",
        {pair: {name: i.as_dict() for name, i in found.items()} for pair, found in gains.items()},
    )
    return StageReport(
        rows={"ok": len(questions)},
        metrics={
            **{f"{arm}_accuracy": found["Average"].value for arm, found in accuracy.items()},
            "p4d_over_sft": gains["p4d_over_sft"]["Average"].value,
            "majority_text": priors["majority_text"],
        },
    )


def answer(
    student: Student,
    questions: Sequence[Question],
    clips: ClipReader,
    frames: int,
    params: EvaluationParams,
    groups: Mapping[str, str],
    *,
    arm: str,
) -> pl.DataFrame:
    """One row per question: the most likely letter and, where generated, the text as read."""
    visual_tokens = student.adapter.visual_tokens(1 + frames) if student.sees_video else 0
    packer = Packer(student.tokenizer, visual_tokens)

    def sample(asked: Sequence[Question]) -> Sample:
        first = asked[0]
        visual = clips.read(first.shard, first.clip_id) if student.sees_video else None
        return Sample(first.clip_id, tuple(asked), visual, {})

    by_clip: dict[str, list[Question]] = {}
    for question in questions:
        by_clip.setdefault(question.clip_id, []).append(question)
    predicted: dict[str, int] = {}
    for group in _batches(sorted(by_clip.items()), params.batch):
        batch = packer.pack([sample(asked) for _, asked in group])
        best = student.answer_scores(batch).argmax(dim=1).tolist()
        predicted |= zip(batch.qa_ids, best, strict=True)
    texts: dict[str, str] = {}
    for asked in _batches(_generated(questions, params.generated_questions), params.batch):
        prompts = packer.prompts([sample([question]) for question in asked])
        replies = student.generate(prompts, max_new_tokens=ANSWER_TOKENS)
        texts |= zip(prompts.qa_ids, (reply.strip() for reply in replies), strict=True)
    rows = []
    for question in questions:
        text = texts.get(question.qa_id)
        read = None if text is None else parse_answer(text, question.options)
        rows.append(
            {
                "arm": arm,
                "qa_id": question.qa_id,
                "clip_id": question.clip_id,
                "video_id": question.video_id,
                "group": groups[question.clip_id],
                "category": question.category,
                "answer_index": question.answer_index,
                "predicted_index": predicted[question.qa_id],
                "correct": predicted[question.qa_id] == question.answer_index,
                "text": text,
                "parsed": None if text is None else read is not None,
                "generated_index": read,
            }
        )
    return pl.DataFrame(
        rows,
        schema_overrides={
            "text": pl.String,
            "parsed": pl.Boolean,
            "generated_index": pl.Int64,
        },
    )


def _generated(questions: Sequence[Question], count: int) -> list[Question]:
    """A fixed part of the questions, drawn by id, so that it does not move when others come."""
    chosen = sorted(questions, key=lambda q: seed_for("generated", q.qa_id))[:count]
    return sorted(chosen, key=lambda q: q.qa_id)


def _batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _summary(accuracy: Mapping[str, Interval], rows: pl.DataFrame) -> dict[str, object]:
    generated = rows.filter(pl.col("text").is_not_null())
    parsed = generated.filter(pl.col("parsed"))
    right = parsed.filter(pl.col("generated_index") == pl.col("answer_index"))
    return {
        "accuracy": {name: interval.value for name, interval in accuracy.items()},
        "low": accuracy["Average"].low,
        "high": accuracy["Average"].high,
        "generated": len(generated),
        "parsed_share": round(len(parsed) / max(len(generated), 1), 6),
        "generated_accuracy": round(len(right) / max(len(generated), 1), 6),
    }


def _by_category(accuracy: Mapping[str, Mapping[str, Interval]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["arm", "category", "n", "accuracy", "low", "high"])
    for arm, found in accuracy.items():
        for name, i in found.items():
            writer.writerow([arm, name, i.n, i.value, i.low, i.high])
    return text.getvalue().encode()
