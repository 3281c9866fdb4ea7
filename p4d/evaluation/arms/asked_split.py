"""The test split of a release, and how every arm is asked it: the one set-up of all comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from p4d.artifacts import read_table
from p4d.config import EvaluationParams
from p4d.errors import ContractError
from p4d.evaluation.answering.ask import AskSettings, ask
from p4d.evaluation.answering.placement import Placement, load_placed
from p4d.evaluation.answering.visuals import ClipVisuals, FirstFrames, VisualSource
from p4d.evaluation.reading.choices import read_choice
from p4d.ids import seed_for
from p4d.pipeline import StageInputs
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import Question, load_questions
from p4d.students.model.student import Student, load


@dataclass(frozen=True)
class AskedSplit:
    """Questions, what is seen with them, and how they are asked.

    Attributes:
        questions: of the test split.
        visuals: what a student sees.
        settings: frames, batch and length.
        groups: group of near duplicates, by clip id.
        generated: ids of the questions that are also answered in generated text.
    """

    questions: Sequence[Question]
    visuals: VisualSource
    settings: AskSettings
    groups: Mapping[str, str]
    generated: frozenset[str]

    @classmethod
    def of_release(
        cls, release: Path, clips: ClipReader, params: EvaluationParams, frames: int
    ) -> Self:
        """Read the test split of a release.

        Args:
            release: folder of the release.
            clips: reads the shards of its clips.
            params: batch, length, and how many questions are also answered in generated text.
            frames: per clip.

        Raises:
            ContractError: the release has no questions in its test split.
        """
        questions = load_questions(release, "test")
        if not questions:
            raise ContractError(f"{release} has no questions in its test split")
        table = read_table(release / "clips.parquet")
        return cls(
            questions=questions,
            visuals=ClipVisuals(clips),
            settings=AskSettings(
                frames=frames, batch=params.batch, answer_tokens=params.max_new_tokens
            ),
            groups=dict(table.select("clip_id", "group").iter_rows()),
            generated=_generated(questions, params.generated_questions),
        )

    @classmethod
    def of_inputs(cls, inputs: StageInputs) -> Self:
        """Read the test split of the release that a stage reads.

        Raises:
            ContractError: the release has no questions in its test split.
        """
        return cls.of_release(
            inputs.folder("release"),
            ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions")),
            inputs.params("evaluation"),
            inputs.params("clips").frames,
        )

    def options_only(self) -> Self:
        """Return the same without generated text."""
        return dataclasses.replace(self, generated=frozenset())

    def first_frames(self) -> Self:
        """Return the same, shown first frames alone."""
        return dataclasses.replace(self, visuals=FirstFrames(self.visuals))

    def answers(self, student: Student, *, arm: str) -> pl.DataFrame:
        """Return one row per question: the likeliest option and, if generated, the parsed text.

        Args:
            student: who answers.
            arm: the name of the rows.

        Raises:
            ContractError: a question cannot be asked, which a release excludes.
        """
        replies = ask(
            student, self.questions, self.visuals, self.settings, generated=self.generated
        )
        rows = []
        for question in self.questions:
            reply = replies[question.qa_id]
            if reply.likeliest is None:
                raise ContractError(f"{arm}: question {question.qa_id}: {reply.failure}")
            text = reply.text
            parsed = None if text is None else read_choice(text, question.options)
            rows.append(
                {
                    "arm": arm,
                    "qa_id": question.qa_id,
                    "clip_id": question.clip_id,
                    "video_id": question.video_id,
                    "group": self.groups[question.clip_id],
                    "category": question.category,
                    "answer_index": question.answer_index,
                    "predicted_index": reply.likeliest,
                    "correct": reply.likeliest == question.answer_index,
                    "text": text,
                    "parsed": None if text is None else parsed is not None,
                    "generated_index": parsed,
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


def open_arm(folder: Path, params: EvaluationParams) -> tuple[Student, Placement]:
    """Open a student where `params` says, and return where it is.

    Raises:
        ConfigError: the device is unknown or absent, or the network cannot use that attention.
        ContractError: the folder holds no student, or is damaged.
    """
    return load_placed(
        load, folder, device=params.device, dtype=params.dtype, attention=params.attention
    )


def _generated(questions: Sequence[Question], count: int) -> frozenset[str]:
    """Return a subset drawn by id, so that it stays the same when questions are added."""
    drawn = sorted(questions, key=lambda q: seed_for("generated", q.qa_id))
    return frozenset(question.qa_id for question in drawn[:count])
