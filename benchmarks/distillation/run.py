"""Trains and evaluates the runs, each in a process of its own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.distillation.answers import as_digits, chosen_options, r4d_world, r4d_world_answers
from benchmarks.distillation.corpus import corpus_of
from benchmarks.distillation.plan import (
    REPORTED_ON_R4D_WORLD,
    TEACHER_FEATURES,
    RunSpec,
    settings,
)
from benchmarks.machine import CHECKOUT, describe
from p4d.artifacts import read_json
from p4d.config import Params
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.student import Student, load
from p4d.students.training.live import TIMES

KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""For glibc, which otherwise returns freed memory after every step: 4 % of a run's time."""


def train_and_answer(work: Path, run: RunSpec, steps: int, shards: Sequence[str]) -> dict[str, Any]:
    """Train one run with the stage's own function, in this process, and answer the test split."""
    params = settings(steps, run)
    clips = ClipReader(
        {shard: work / run.clips / shard for shard in shards},
        {shard: work / "regions" / shard for shard in shards},
    )
    live = work / "live" / run.name
    shutil.rmtree(live, ignore_errors=True)
    live.mkdir(parents=True)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    if run.stage == TEACHER_FEATURES:
        from benchmarks.distillation.teacher_features import trained

        with trained(work, params, clips, partial(_print_progress, run.name)) as student:
            metrics: dict[str, Any] = {}
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            answers, frozen = answer(work, run, student, clips, params), ""
    else:
        out = work / "students" / run.name
        metrics = _train(work, run, params, shards, out, live)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        student = load(out)
        answers, frozen = answer(work, run, student, clips, params), _on_r4d_world(run, student)
    return {
        "run": dataclasses.asdict(run),
        "corpus": corpus_of(work),
        "commit": describe(CHECKOUT)["commit"],
        "steps": params.training.steps,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "data_wait": _data_wait(live),
        "metrics": metrics,
        "answers": as_digits(answers),
        "r4d_world": frozen,
    }


def _on_r4d_world(run: RunSpec, student: Student) -> str:
    """Return the answers to R4D-World; empty for other arms, and if R4D-World was not made."""
    project = Project(CHECKOUT)
    if run.arm not in REPORTED_ON_R4D_WORLD or (benchmark := r4d_world(project)) is None:
        return ""
    return as_digits(r4d_world_answers(benchmark, student, project.params))


def _train(
    work: Path, run: RunSpec, params: Params, shards: Sequence[str], out: Path, live: Path
) -> dict[str, Any]:
    stage = stage_named(run.stage)
    variants = {"clips": run.clips, "release": run.release}
    folders: dict[str, Path | Mapping[str, Path]] = {}
    for name in stage.reads:
        folder = work / variants.get(name, name)
        per_shard = stage_named(name).per_shard
        folders[name] = {shard: folder / shard for shard in shards} if per_shard else folder
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    inputs = StageInputs(
        stage=stage,
        all_params=params,
        folders=folders,
        work=live,
        progress=partial(_print_progress, run.name),
    )
    return dict(stage.load()(inputs, out).metrics)


def _data_wait(live: Path) -> float | None:
    """Return the share of the training time that waited for a batch."""
    found = next(live.rglob(TIMES), None)
    return json.loads(found.read_text(encoding="utf-8")).get("data_wait") if found else None


def answer(
    work: Path, run: RunSpec, student: Student, clips: ClipReader, params: Params
) -> dict[str, int]:
    """Return the most likely option of each test question."""
    questions = load_questions(work / run.release, "test")
    return chosen_options(student, questions, ClipVisuals(clips), params)


def _print_progress(name: str, done: int, total: int, note: str) -> None:
    if done % 50 == 0 or done == total:
        print(f"{name} {done}/{total} {note}", flush=True)


def perform(
    work: Path, runs: Sequence[RunSpec], arguments: argparse.Namespace, until_s: float
) -> None:
    """Run the missing runs, each in a process of one thread; none starts after `until_s`."""
    corpus = corpus_of(work)

    def one(run: RunSpec) -> None:
        result = work / "runs" / f"{run.name}.json"
        if result.is_file() and read_json(result)["corpus"] == corpus:
            return
        if time.monotonic() > until_s:
            return
        command = [sys.executable, "-m", "benchmarks.distillation", "--one", run.name]
        for name in ("work", "worlds", "steps", "seeds"):
            command += [f"--{name}", str(getattr(arguments, name))]
        began = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **KEEP_FREED_MEMORY}
        with (work / "runs" / f"{run.name}.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
        outcome = "failed" if done.returncode else f"{time.perf_counter() - began:.0f} s"
        print(f"{run.name}: {outcome}", flush=True)

    with ThreadPoolExecutor(arguments.processes) as pool:
        list(pool.map(one, runs))
