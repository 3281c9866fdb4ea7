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
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.distillation.answers import as_digits, chosen_options, r4d_world, r4d_world_answers
from benchmarks.distillation.choices import committed_choices
from benchmarks.distillation.controls import CONTROLS
from benchmarks.distillation.controls.fitting import ControlRun
from benchmarks.distillation.corpus import corpus_of
from benchmarks.distillation.plan import REPORTED_ON_R4D_WORLD, TEST, RunSpec, settings
from benchmarks.distillation.statistics import accuracy_of
from benchmarks.machine import CHECKOUT, clean_commit
from p4d.artifacts import read_json
from p4d.config import Params
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.ids import content_id
from p4d.pipeline import Stage, StageInputs, stage_named
from p4d.project import Project
from p4d.standalone import CODE
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.student import Student, load
from p4d.students.training.launch import LABELS_ARM
from p4d.students.training.live import TIMES
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.hashes import HashCache

KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""For glibc, which otherwise returns freed memory after every step: 4 % of a run's time."""


def measured_row(work: Path, run: RunSpec, steps: int, shards: Sequence[str]) -> dict[str, Any]:
    """Train one run and answer its split, in this process, from a clean tree.

    Raises:
        ContractError: the tree has changes, or the run opens the test split and nothing was chosen
            on the validation split of this corpus.
    """
    commit, corpus = clean_commit(CHECKOUT), corpus_of(work)
    if run.split == TEST:
        committed_choices(CHECKOUT, corpus)
    found = train_and_answer(work, run, settings(steps, run), shards)
    return {**found, "corpus": corpus, "commit": commit}


def train_and_answer(
    work: Path, run: RunSpec, params: Params, shards: Sequence[str]
) -> dict[str, Any]:
    """Train one run with the stage's own function, in this process, and answer its split."""
    clips = ClipReader(
        {shard: work / run.clips / shard for shard in shards},
        {shard: work / "regions" / shard for shard in shards},
    )
    live = work / "live" / run.name
    shutil.rmtree(live, ignore_errors=True)
    live.mkdir(parents=True)
    began_s, metrics = time.perf_counter(), {}
    if run.stage in CONTROLS:
        control = ControlRun(
            work=work,
            folders=_folders(work, run, stage_named("student_p4d"), shards),
            base=work / run.base_folder,
            clips=clips,
            params=params,
            progress=partial(_print_progress, run.name),
        )
        trained = CONTROLS[run.stage](control)
    else:
        out = work / "students" / run.name
        metrics = _train(work, run, params, shards, out, live)
        trained = nullcontext(load(out))
    with trained as student:
        # The processor time of this process so far: imports, loading and training, no answers.
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time()
        answers, questions = answer(work, run, student, clips, params)
        frozen = _on_r4d_world(run, student)
    return {
        "run": dataclasses.asdict(run),
        "student_code": student_code(run),
        "steps": params.training.steps,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "data_wait": _data_wait(live),
        "metrics": metrics,
        "split": run.split,
        f"{run.split}_accuracy": accuracy_of(questions, answers),
        "answers": as_digits(answers),
        "r4d_world": frozen,
    }


def stage_of(run: RunSpec) -> Stage:
    """The stage whose function trains a run, or whose inputs a control reads."""
    if run.stage == "student_labels":
        return LABELS_ARM
    return stage_named("student_p4d" if run.stage in CONTROLS else run.stage)


def student_code(run: RunSpec) -> str:
    """Return an id of all code that trains the run, without comments on where it was measured."""
    with HashCache(CODE, None) as cache:
        files = code_files(stage_of(run), CODE, cache)
        found = {path: cache.digest(CODE / path) for path in files}
    digests = {path: digest and digest.md5 for path, digest in found.items()}
    folder = Path(__file__).parent / "controls"
    if run.stage in CONTROLS:
        digests |= {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    return content_id("student_code", digests)


def _on_r4d_world(run: RunSpec, student: Student) -> str:
    """Return the answers to R4D-World; empty for other arms, and if R4D-World was not made."""
    project = Project(CHECKOUT)
    if run.arm not in REPORTED_ON_R4D_WORLD or (benchmark := r4d_world(project)) is None:
        return ""
    return as_digits(r4d_world_answers(benchmark, student, project.params))


def _folders(
    work: Path, run: RunSpec, stage: Stage, shards: Sequence[str]
) -> dict[str, Path | Mapping[str, Path]]:
    variants = {"clips": run.clips, "release": run.release, "base_student": run.base_folder}
    folders: dict[str, Path | Mapping[str, Path]] = {}
    for name in stage.reads:
        folder = work / variants.get(name, name)
        per_shard = stage_named(name).per_shard
        folders[name] = {shard: folder / shard for shard in shards} if per_shard else folder
    return folders


def _train(
    work: Path, run: RunSpec, params: Params, shards: Sequence[str], out: Path, live: Path
) -> dict[str, Any]:
    stage = stage_of(run)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    inputs = StageInputs(
        stage=stage,
        all_params=params,
        folders=_folders(work, run, stage, shards),
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
) -> tuple[dict[str, int], list[Any]]:
    """Return the most likely option of each question of the run's split, and the questions."""
    questions = list(load_questions(work / run.release, run.split))
    return chosen_options(student, questions, ClipVisuals(clips), params), questions


def _print_progress(name: str, done: int, total: int, note: str) -> None:
    if done % 50 == 0 or done == total:
        print(f"{name} {done}/{total} {note}", flush=True)


def is_done(work: Path, run: RunSpec, corpus: str, commit: str) -> bool:
    """Whether a run has been made of this corpus by this commit, at this setting.

    A candidate, which is in no table, also counts if the same code trained it in another commit.
    """
    path = work / "runs" / f"{run.name}.json"
    if not path.is_file():
        return False
    result = read_json(path)
    asked = json.loads(json.dumps(dataclasses.asdict(run)))
    if (result["corpus"], result["run"]) != (corpus, asked):
        return False
    same = run.role == "candidate" and result["student_code"] == student_code(run)
    return bool(same or result["commit"] == commit)


def perform(work: Path, runs: Sequence[RunSpec], arguments: argparse.Namespace) -> list[str]:
    """Run the missing runs, each in a process of one thread; return those that failed."""
    corpus, commit = corpus_of(work), clean_commit(CHECKOUT)
    failed: list[str] = []

    def one(run: RunSpec) -> None:
        if is_done(work, run, corpus, commit):
            return
        command = [sys.executable, "-m", "benchmarks.distillation", "--one", run.name]
        for name in ("work", "worlds", "steps", "seeds"):
            command += [f"--{name}", str(getattr(arguments, name))]
        began = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **KEEP_FREED_MEMORY}
        with (work / "runs" / f"{run.name}.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
        if done.returncode:
            failed.append(run.name)
        outcome = "failed" if done.returncode else f"{time.perf_counter() - began:.0f} s"
        print(f"{run.name}: {outcome}", flush=True)

    with ThreadPoolExecutor(arguments.processes) as pool:
        list(pool.map(one, runs))
    return failed
