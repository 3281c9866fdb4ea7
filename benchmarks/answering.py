"""What the students of `benchmarks.distillation` answer: to its own questions and on R4D-World.

They were trained on thirteen families of questions about worlds of one look; R4D-World, the frozen
benchmark, asks all families, about worlds of another look. `make r4d-world` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from p4d.config import Params, Project
from p4d.errors import ContractError
from p4d.evaluation.answering import Asking, Journal, Pictures, ask
from p4d.evaluation.benchmarks.item import Benchmark
from p4d.evaluation.benchmarks.registry import home, open_benchmark
from p4d.evaluation.evaluate import pictures_of, question_of
from p4d.evaluation.pictures import view_id
from p4d.ids import content_id, sha256_file
from p4d.students.data import Question
from p4d.students.student import Student, load
from p4d.teachers.compute import deterministic

NAME = "r4d-world"
EVALUATED = 8  # clips per batch


def chosen_options(
    student: Student,
    questions: Sequence[Question],
    pictures: Pictures,
    params: Params,
    journal: Journal | None = None,
) -> dict[str, int]:
    """The option that a student finds likeliest, by question; computed by one thread.

    Raises:
        ContractError: a question could not be asked.
    """
    how = Asking(frames=params.clips.frames, batch=EVALUATED, answer_tokens=1)
    with deterministic(1, seed=0):
        replies = ask(student, questions, pictures, how, generated=(), journal=journal)
    chosen = {}
    for qa_id, reply in replies.items():
        if reply.likeliest is None:
            raise ContractError(f"question {qa_id}: {reply.failure}")
        chosen[qa_id] = reply.likeliest
    return chosen


def frozen_benchmark(project: Project) -> Benchmark | None:
    """R4D-World, if it has been made."""
    return open_benchmark(NAME, project) if (home(project) / NAME).is_dir() else None


def questions_of(benchmark: Benchmark) -> pl.DataFrame:
    """Its questions in the columns that the report reads."""
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


def frozen_answers(
    benchmark: Benchmark, student_folder: Path, kept: Path, params: Params
) -> dict[str, int]:
    """`chosen_options` on a benchmark; the folder `kept` has a file per student and questions."""
    run = {
        "weights": sha256_file(student_folder / "model" / "model.safetensors"),
        "items": content_id("items", *(item.item_id for item in benchmark.items)),
    }
    questions = [question_of(benchmark, item, view_id(item), "student") for item in benchmark.items]
    pictures = pictures_of(benchmark, benchmark.items, params.clips.frames, params.clips.size_px)
    journal = Journal(kept / f"{content_id('run', run)}.jsonl", run)
    return chosen_options(load(student_folder), questions, pictures, params, journal)
