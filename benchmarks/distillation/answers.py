"""The answers of the students of this benchmark, to its own questions and to R4D-World.

They are trained on thirteen families of questions about worlds of one appearance. R4D-World, which
is frozen, asks all families about worlds of another appearance; `make r4d-world` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from p4d.config import Params
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.evaluation.answering.ask import AskSettings, ask
from p4d.evaluation.answering.visuals import VisualSource, view_id
from p4d.evaluation.benchmarks.item import Benchmark
from p4d.evaluation.benchmarks.registry import home, open_benchmark
from p4d.evaluation.evaluate import question_of, visuals_of
from p4d.project import Project
from p4d.students.data.questions import Question
from p4d.students.model.student import Student

NAME = "r4d-world"
CLIPS_PER_BATCH = 8


def chosen_options(
    student: Student,
    questions: Sequence[Question],
    visuals: VisualSource,
    params: Params,
) -> dict[str, int]:
    """Return the most likely option of each question, computed by one thread.

    Raises:
        ContractError: a question could not be asked.
    """
    settings = AskSettings(frames=params.clips.frames, batch=CLIPS_PER_BATCH, answer_tokens=1)
    with deterministic(1, seed=0):
        replies = ask(student, questions, visuals, settings, generated=())
    chosen = {}
    for qa_id, reply in replies.items():
        if reply.likeliest is None:
            raise ContractError(f"question {qa_id}: {reply.failure}")
        chosen[qa_id] = reply.likeliest
    return chosen


def r4d_world(project: Project) -> Benchmark | None:
    """Return R4D-World, or None if it was not made."""
    return open_benchmark(NAME, project) if (home(project) / NAME).is_dir() else None


def questions_of(benchmark: Benchmark) -> pl.DataFrame:
    """Return the questions of a benchmark in the columns that the report reads."""
    return pl.DataFrame(
        {
            "qa_id": item.item_id,
            "video_id": item.group,
            "category": item.category,
            "family": item.family,
            "options": list(item.options),
            "answer_index": item.answer_index,
        }
        for item in benchmark.items
    )


def r4d_world_answers(benchmark: Benchmark, student: Student, params: Params) -> dict[str, int]:
    """Return `chosen_options` for a benchmark."""
    questions = [question_of(benchmark, item, view_id(item), "student") for item in benchmark.items]
    visuals = visuals_of(benchmark, benchmark.items, params.clips.frames, params.clips.size_px)
    return chosen_options(student, questions, visuals, params)


def as_digits(answers: Mapping[str, int]) -> str:
    """Return the chosen options in the order of question ids, one digit each."""
    return "".join(str(answers[qa_id]) for qa_id in sorted(answers))


def from_digits(digits: str, asked: pl.DataFrame) -> dict[str, int]:
    """Return the chosen options from `as_digits`, for the questions in `asked` (`qa_id`).

    Raises:
        ContractError: the numbers of answers and questions differ.
    """
    ids = sorted(asked["qa_id"])
    if len(ids) != len(digits):
        raise ContractError(
            f"{len(digits)} answers to {len(ids)} questions; the run answered other questions: "
            "run it again"
        )
    return dict(zip(ids, map(int, digits), strict=True))
