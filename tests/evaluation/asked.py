"""A tiny untrained student, and a benchmark evaluated with it."""

from __future__ import annotations

import sys
from pathlib import Path

from p4d.config import Params
from p4d.evaluation.benchmarks.registry import open_benchmark
from p4d.evaluation.evaluate import EvaluateSettings, evaluate
from p4d.project import Project
from p4d.students.training.base_student import build_base_student
from tests.students import tiny

SETTINGS = EvaluateSettings(batch=2, threads=1, size_px=tiny.SIZE)


def student(folder: Path, seed: int = 11) -> Path:
    """Write an untrained student of the tiny project and return its folder."""
    project = tiny.make(folder / "project", clips=4, student={"seed": seed})
    build_base_student(project.inputs("base_student"), folder / f"student_{seed}")
    return folder / f"student_{seed}"


def params() -> Params:
    return tiny.params(evaluation={"threads": 1, "bootstrap_samples": 100})


def run(benchmark: Path, model: Path, out: Path, settings: EvaluateSettings = SETTINGS, **extra):
    found = open_benchmark(str(benchmark), Project(Path(__file__).resolve().parents[2]))
    return evaluate(found, model, out, params(), settings, **extra)


if __name__ == "__main__":  # a run that is killed after its first batch, for test_evaluate.py
    import os
    import signal

    def die(done: int, total: int, note: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    run(*map(Path, sys.argv[1:4]), progress=die)
