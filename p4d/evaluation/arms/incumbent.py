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

from p4d.errors import ContractError
from p4d.evaluation.arms.champion_ledger import ANSWERS, read_answers
from p4d.pipeline import StageInputs

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
        from p4d.evaluation.arms.asked_again import asked_again  # torch, for a rare case

        answers = kept_answers(asked_again(self.weights, inputs))
        return dataclasses.replace(self, answers=answers, answered="again")


def kept_answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """The columns of predictions that the next comparison needs."""
    return predictions.select(_KEPT)
