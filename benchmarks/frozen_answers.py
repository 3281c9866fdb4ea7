"""What the students of `benchmarks.distillation` answer on R4D-World, the frozen benchmark.

They were trained on thirteen families of questions about worlds of one look; R4D-World asks all
families, about worlds of another look. `make r4d-world` makes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from p4d.artifacts import read_json, write_json
from p4d.config import Project
from p4d.evaluation.answering import Asking, ask
from p4d.evaluation.benchmarks.item import Benchmark
from p4d.evaluation.benchmarks.registry import home, open_benchmark
from p4d.evaluation.evaluate import pictures_of, question_of
from p4d.evaluation.pictures import view_id
from p4d.ids import sha256_file
from p4d.students.student import load
from p4d.teachers.compute import deterministic

NAME = "r4d-world"
EVALUATED = 8  # clips per batch


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
    benchmark: Benchmark, student_folder: Path, kept: Path, project: Project
) -> dict[str, int]:
    """The option that a student finds likeliest, by question; kept in a file beside its weights."""
    weights = sha256_file(student_folder / "model" / "model.safetensors")
    asked = hashlib.sha256("".join(item.item_id for item in benchmark.items).encode()).hexdigest()
    found = read_json(kept) if kept.is_file() else {}
    if (found.get("weights"), found.get("asked")) != (weights, asked):
        clips = project.params.clips
        questions = [
            question_of(benchmark, item, view_id(item), "student") for item in benchmark.items
        ]
        pictures = pictures_of(benchmark, benchmark.items, clips.frames, clips.size_px)
        how = Asking(frames=clips.frames, batch=EVALUATED, answer_tokens=1)
        with deterministic(1, seed=0):
            replies = ask(load(student_folder), questions, pictures, how, generated=())
        found = {
            "weights": weights,
            "asked": asked,
            "answers": {qa_id: reply.likeliest for qa_id, reply in replies.items()},
        }
        write_json(kept, found)
    answers: dict[str, int] = found["answers"]
    return answers
