"""A champion that answers the questions of today, as the arms of today's evaluation were asked."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from p4d.config import EvaluationParams
from p4d.determinism import deterministic
from p4d.evaluation.arms.asked_split import AskedSplit, open_arm
from p4d.pipeline import StageInputs


def asked_again(weights: Path, inputs: StageInputs) -> pl.DataFrame:
    """Return the answers of the student in `weights` to the test split, without texts."""
    params: EvaluationParams = inputs.params("evaluation")
    split = AskedSplit.of_inputs(inputs).options_only()
    student, _ = open_arm(weights, params)
    note = f"the champion answers {len(split.questions)} questions that have changed"
    inputs.progress(0, 1, note)
    with deterministic(params.threads, seed=0):
        return split.answers(student, arm="champion")
