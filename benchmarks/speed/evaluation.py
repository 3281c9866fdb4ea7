"""Throughput of the evaluator: `python -m benchmarks.speed.evaluation MODEL FOLDER`.

MODEL is a student, FOLDER a benchmark (R4D-World, for example). The first batch is not counted.
Key `evaluation` of benchmarks/results/questions.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.machine import RESULTS, describe, merge_results
from p4d.evaluation.benchmarks.registry import open_benchmark
from p4d.evaluation.evaluate import EvaluateSettings, evaluate
from p4d.project import Project


def items_per_s(project: Project, benchmark: str, model: Path, settings: EvaluateSettings) -> dict:
    """Return items per second between the first and the last batch, and of the whole run."""
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
        "threads": settings.threads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("benchmark")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    project = Project.find()
    runs = []
    for likelihood in (True, False):
        settings = EvaluateSettings(batch=given.batch, limit=given.limit, likelihood=likelihood,
                            threads=given.threads)  # fmt: skip
        runs.append(items_per_s(project, given.benchmark, given.model, settings))
        print(runs[-1], flush=True)
    figures = {
        "model": given.model.name,
        "runs": runs,
        "machine": describe(project.root),
        "command": f"python -m benchmarks.speed.evaluation {given.model} {given.benchmark}"
        f" --limit {given.limit} --batch {given.batch} --threads {given.threads}",
    }
    merge_results(RESULTS / "questions.json", {"evaluation": figures})


if __name__ == "__main__":
    main()
