"""The champion that a challenger is compared with, and its answers to today's questions.

A comparison is paired: both answered the same questions. The champion's answers are kept in the
artifact of the stage. If the held-out questions have changed since, the champion is opened from the
cache and answers them all again, as the arms of today's evaluation were asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table
from p4d.config import EvaluationParams
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.evaluation.answering.placement import load_placed
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.evaluation.arms.champion_ledger import ANSWERS, read_answers
from p4d.evaluation.arms.compare_arms import answer, asking_of
from p4d.pipeline import StageInputs
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.student import load

_KEPT = ("qa_id", "clip_id", "category", "group", "answer_index", "correct")


@dataclass(frozen=True)
class Incumbent:
    """The current champion.

    Attributes:
        version: data version of its checkpoint.
        answers: its answers: `qa_id`, `category`, `group`, `answer_index` (the correct option at
            that time), `correct`.
        weights: folder to load it from; None if the cache no longer has it.
        answered: `at its promotion` or `again`, when the questions had changed.
    """

    version: str
    answers: pl.DataFrame
    weights: Path | None = None
    answered: str = "at its promotion"

    @classmethod
    def after(
        cls, history: Sequence[Mapping[str, Any]], folder: Path | None, weights: Path | None = None
    ) -> Incumbent | None:
        """Return the champion at the end of a ledger, or None.

        Raises:
            ContractError: there is a champion, but its answers are missing.
        """
        version = history[-1]["champion"] if history else None
        if version is None or folder is None:
            return None
        answers = read_answers(folder)
        if answers is None:
            raise ContractError(f"{folder / ANSWERS} is missing, but {version} is champion")
        return cls(version, answers, weights)

    def on(self, own: pl.DataFrame, inputs: StageInputs) -> Incumbent:
        """The champion with answers to exactly the questions of `own`, if it can give them.

        Without weights its old answers are returned; they may lack questions of today.
        """
        asked = ["qa_id", "answer_index"]
        known = own.select(asked).join(self.answers, on=asked, how="semi")
        if len(known) == len(own) or self.weights is None:
            return self
        return dataclasses.replace(self, answers=self._asked_again(inputs), answered="again")

    def _asked_again(self, inputs: StageInputs) -> pl.DataFrame:
        assert self.weights is not None
        params: EvaluationParams = inputs.params("evaluation")
        release = inputs.folder("release")
        questions = load_questions(release, "test")
        groups = dict(read_table(release / "clips.parquet").select("clip_id", "group").iter_rows())
        clips = ClipVisuals(
            ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
        )
        asking = asking_of(params, inputs.params("clips").frames)
        unread = dataclasses.replace(params, generated_questions=0)
        student, _ = load_placed(
            load,
            self.weights,
            device=params.device,
            dtype=params.dtype,
            attention=params.attention,
        )
        inputs.progress(0, 1, f"the champion answers {len(questions)} questions that have changed")
        with deterministic(params.threads, seed=0):
            table = answer(student, questions, clips, asking, unread, groups, arm="champion")
        return kept_answers(table)


def kept_answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """The columns of predictions that the next comparison needs."""
    return predictions.select(_KEPT)
