"""Throughput of the evaluator and of drawing marks: `python -m benchmarks.evaluation MODEL FOLDER`.

MODEL is a student, FOLDER a benchmark (R4D-World, for example). Two threads; the first batch is
not counted. Results land in benchmarks/results/evaluation.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from p4d.artifacts import write_json
from p4d.config import Project
from p4d.evaluation.benchmarks.registry import open_benchmark
from p4d.evaluation.evaluate import Settings, evaluate
from p4d.questions.marks import draw_marks


def items_per_s(project: Project, benchmark: str, model: Path, settings: Settings) -> dict:
    """Items per second between the first and the last batch, and of the run as a whole."""
    found = open_benchmark(benchmark, project)
    seen: list[tuple[float, int]] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        evaluate(
            found, model, Path(out), project.params, settings,
            lambda done, total, note: seen.append((time.perf_counter(), done)),
        )  # fmt: skip
    whole = time.perf_counter() - started
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return {
        "items": last,
        "answering_items_per_s": round((last - first) / max(last_at - first_at, 1e-9), 2),
        "whole_items_per_s": round(last / whole, 2),
        "likelihood": settings.likelihood,
        "batch": settings.batch,
    }


def marks_per_s(size_px: int, regions: int, scale: int, seconds: float = 2.0) -> dict:
    """Marked pictures per second on one core."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (size_px, size_px, 3), np.uint8)
    rows, columns = np.mgrid[0:size_px, 0:size_px]
    centres = rng.uniform(0.2, 0.8, (regions, 2)) * size_px
    masks = np.stack([np.hypot(rows - y, columns - x) < size_px / 8 for y, x in centres])
    drawn, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        draw_marks(frame, masks.astype(np.uint8), scale=scale)
        drawn += 1
    rate = round(drawn / (time.perf_counter() - started), 1)
    return {"size_px": size_px, "regions": regions, "scale": scale, "pictures_per_s": rate}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("benchmark")
    arguments.add_argument("--limit", type=int, default=400)
    arguments.add_argument("--batch", type=int, default=8)
    given = arguments.parse_args()
    project = Project.find()
    runs = [
        items_per_s(
            project, given.benchmark, given.model,
            Settings(batch=given.batch, limit=given.limit, likelihood=likelihood),
        )
        for likelihood in (True, False)
    ]  # fmt: skip
    figures = {
        "machine": describe(project.root),
        "model": given.model.name,
        "evaluation": runs,
        "marks": [marks_per_s(64, 4, 1), marks_per_s(64, 4, 6), marks_per_s(192, 4, 2)],
    }
    write_json(project.root / "benchmarks" / "results" / "evaluation.json", figures)
    for name in ("evaluation", "marks"):
        for row in figures[name]:
            print(name, row)


if __name__ == "__main__":
    main()
