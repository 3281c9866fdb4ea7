"""The stage `evaluation`: every arm answers the test split, and the arms are compared.

The primary metric is the likelihood of the options: it needs no parser, and every question gets an
answer. Text is also generated, for a fixed subset of the same questions, and parsed strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import EvaluationParams
from p4d.determinism import deterministic
from p4d.evaluation.arms.asked_split import AskedSplit, open_arm
from p4d.evaluation.arms.forgetting import GENERAL_FILE, general_summary
from p4d.evaluation.arms.general import general_scores
from p4d.evaluation.arms.names import ARMS, BASE, BASELINE, BLIND, CHALLENGER, FIRST_FRAME
from p4d.evaluation.reproduction import reproduction_card
from p4d.evaluation.scoring.statistics import (
    Bootstrap,
    Interval,
    accuracy_by_slice,
    by_category_csv,
    paired_gain,
    prior_accuracies,
)
from p4d.external.mixture import HELD_OUT
from p4d.external.rows import ExternalConversation, read_split
from p4d.pipeline import StageInputs, StageReport
from p4d.students.model.student import Student

ASKED = (*ARMS, FIRST_FRAME)
COMPARED = (
    (CHALLENGER, BASELINE),
    (CHALLENGER, BLIND),
    (CHALLENGER, FIRST_FRAME),
    (BASELINE, BLIND),
)


def build_evaluation(inputs: StageInputs, out: Path) -> StageReport:
    """Score options, generate and parse text, and compare the arms and the first-frame control.

    Writes `predictions.parquet`, `metrics.json`, `by_category.csv`, `comparisons.json` and
    `reproduction.json`, and `general.parquet` if external rows are held out.

    Raises:
        ContractError: the release has no test questions.
    """
    params: EvaluationParams = inputs.params("evaluation")
    release = inputs.folder("release")
    split = AskedSplit.of_inputs(inputs)
    general = read_split(inputs.folder("external"), inputs.folder("mixture"), HELD_OUT)
    answered = _ask_arms(inputs, split, general)
    predictions = answered.predictions
    write_table(out / "predictions.parquet", predictions, sort_by=["arm", "qa_id"])

    statistics = Bootstrap(params.bootstrap_samples, params.confidence)
    of_arm = {arm: predictions.filter(pl.col("arm") == arm) for arm in ASKED}
    accuracy = {arm: accuracy_by_slice(rows, statistics) for arm, rows in of_arm.items()}
    gains = {f"{a}_over_{b}": paired_gain(of_arm[a], of_arm[b], statistics) for a, b in COMPARED}
    questions_table = read_table(release / "questions.parquet")
    priors = prior_accuracies(
        questions_table.filter(split="train"), questions_table.filter(split="test")
    )
    metrics = {
        "questions": len(split.questions),
        "groups": predictions["group"].n_unique(),
        **priors,
        **{arm: _summary(accuracy[arm], of_arm[arm]) for arm in ASKED},
        "gain": {name: found["Average"].as_dict() for name, found in gains.items()},
    }
    if general:
        metrics["general"] = _write_general(general, answered.general, inputs, out)
    write_json(out / "metrics.json", metrics)
    write_json(out / "reproduction.json", answered.cards)
    write_bytes(out / "by_category.csv", by_category_csv(accuracy, "arm"))
    write_json(
        out / "comparisons.json",
        {pair: {name: i.as_dict() for name, i in found.items()} for pair, found in gains.items()},
    )
    return StageReport(
        rows={"ok": len(split.questions)},
        metrics={
            **{f"{arm}_accuracy": found["Average"].value for arm, found in accuracy.items()},
            "p4d_over_sft": gains["p4d_over_sft"]["Average"].value,
            "majority_text": priors["majority_text"],
        },
    )


@dataclass(frozen=True)
class _Answered:
    """What the arms answered.

    Attributes:
        predictions: rows of all arms, and of the first-frame control.
        cards: by arm, what reproduces its answers.
        general: by arm that sees videos, the scores on held-out external rows.
    """

    predictions: pl.DataFrame
    cards: Mapping[str, object]
    general: Sequence[pl.DataFrame]


def _ask_arms(
    inputs: StageInputs, split: AskedSplit, general: Sequence[ExternalConversation]
) -> _Answered:
    """Open one arm after another, and ask it the questions and the held-out external rows."""
    params: EvaluationParams = inputs.params("evaluation")
    still = split.options_only().first_frames()
    tables, cards, of_general = [], {}, []
    for number, (arm, stage) in enumerate(ARMS.items(), start=1):
        student, placement = open_arm(inputs.folder(stage), params)
        with deterministic(params.threads, seed=0):
            tables.append(split.answers(student, arm=arm))
            if arm == CHALLENGER:
                tables.append(still.answers(student, arm=FIRST_FRAME))
            if general and student.sees_video:
                of_general.append(_general(student, general, inputs, arm))
        cards[arm] = reproduction_card(
            placement,
            split.settings,
            split.questions,
            checkpoint=inputs.versions.get(stage, ""),
            threads=params.threads,
        )
        inputs.progress(number, len(ARMS), f"{arm} answered {len(split.questions)} questions")
    return _Answered(pl.concat(tables), cards, of_general)


def _general(
    student: Student, rows: Sequence[ExternalConversation], inputs: StageInputs, arm: str
) -> pl.DataFrame:
    batch = inputs.params("evaluation").batch
    return general_scores(student, rows, inputs.params("clips"), arm=arm, batch=batch)


def _write_general(
    rows: Sequence[ExternalConversation],
    of_arms: Sequence[pl.DataFrame],
    inputs: StageInputs,
    out: Path,
) -> dict[str, object]:
    """Score the base student too, write all scores, and summarise them."""
    params: EvaluationParams = inputs.params("evaluation")
    base, _ = open_arm(inputs.folder("base_student"), params)
    with deterministic(params.threads, seed=0):
        scores = pl.concat([_general(base, rows, inputs, BASE), *of_arms])
    write_table(out / GENERAL_FILE, scores, sort_by=["arm", "row_id"])
    return general_summary(scores, Bootstrap(params.bootstrap_samples, params.confidence))


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
