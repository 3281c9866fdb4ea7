"""A champion that answers the questions of today, as the arms of today's evaluation were asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table
from p4d.config import EvaluationParams
from p4d.determinism import deterministic
from p4d.evaluation.answering.placement import load_placed
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.evaluation.arms.compare_arms import answer, asking_of
from p4d.pipeline import StageInputs
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.student import load


def asked_again(weights: Path, inputs: StageInputs) -> pl.DataFrame:
    """The answers of the student in `weights` to the test split of the release, without texts."""
    params: EvaluationParams = inputs.params("evaluation")
    release = inputs.folder("release")
    questions = load_questions(release, "test")
    groups = dict(read_table(release / "clips.parquet").select("clip_id", "group").iter_rows())
    clips = ClipVisuals(ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions")))
    asking = asking_of(params, inputs.params("clips").frames)
    unread = dataclasses.replace(params, generated_questions=0)
    student, _ = load_placed(
        load, weights, device=params.device, dtype=params.dtype, attention=params.attention
    )
    inputs.progress(0, 1, f"the champion answers {len(questions)} questions that have changed")
    with deterministic(params.threads, seed=0):
        return answer(student, questions, clips, asking, unread, groups, arm="champion")
