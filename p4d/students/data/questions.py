"""Multiple-choice questions of a release, as a student reads them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.students.model.chat import LETTERS, question_turn


@dataclass(frozen=True, kw_only=True)
class Question:
    """One multiple-choice question of a release."""

    qa_id: str
    clip_id: str
    video_id: str
    shard: str
    category: str
    question: str
    options: tuple[str, ...]
    answer_index: int
    dynamic: bool

    @property
    def answers_in_text(self) -> bool:
        """Whether the answer is a text even for a student that answers in letters."""
        return False

    def turn(self) -> str:
        """The text of the user's turn, up to the start of the assistant's."""
        return question_turn(self.question, self.options)

    def words(self) -> str:
        """What the user says in `turn`, without the layout of turns."""
        return self.turn().removesuffix(question_turn("", ()).lstrip("\n")).removesuffix("\n")


def ad_hoc_question(
    text: str, options: tuple[str, ...], *, clip_id: str, video_id: str
) -> Question:
    """A question that is in no release; its id is `asked` and its correct option is unknown."""
    return Question(
        qa_id="asked",
        clip_id=clip_id,
        video_id=video_id,
        shard="",
        category="",
        question=text,
        options=options,
        answer_index=0,
        dynamic=False,
    )


def load_questions(release: Path, split: str) -> list[Question]:
    """Questions of one split, sorted by id.

    Raises:
        ContractError: a question has more options than letters, or its answer is not among them.
    """
    table = read_table(release / "questions.parquet").filter(pl.col("split") == split)
    names = [field.name for field in dataclasses.fields(Question)]
    found = []
    for row in table.select(names).sort("qa_id").iter_rows(named=True):
        question = Question(**{**row, "options": tuple(row["options"])})
        count = len(question.options)
        if not 2 <= count <= len(LETTERS) or not 0 <= question.answer_index < count:
            raise ContractError(
                f"question {question.qa_id}: {count} options, answer {question.answer_index}"
            )
        found.append(question)
    return found
