"""Trains one arm with the stage's own function and answers the validation questions."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.distillation.answers import as_digits, chosen_options
from benchmarks.distillation.seconds.corpus import (
    base_student,
    clips_of,
    corpus_of,
    release_of,
    shards_of,
)
from benchmarks.distillation.seconds.plan import ORACLE, settings
from benchmarks.machine import CHECKOUT, describe
from p4d.artifacts import write_json
from p4d.config import Params
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.pipeline import StageInputs, stage_named
from p4d.students.data.questions import load_questions
from p4d.students.model.student import load


def run_arm(work: Path, arm: str, steps: int, seed: int) -> None:
    """Train one arm, answer, and write `runs/<arm>-<seed>.json` and the student."""
    params, name = settings(steps, arm, seed), f"{arm}-{seed}"
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    out = _train(work, arm, name, params)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    questions = load_questions(release_of(work, arm), "val")
    answers = chosen_options(load(out), questions, ClipVisuals(clips_of(work)), params)
    result = {
        "arm": arm,
        "seed": seed,
        "steps": steps,
        "batch": params.training.batch * params.training.questions_per_clip,
        "corpus": corpus_of(work),
        "commit": describe(CHECKOUT)["commit"],
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "answers": as_digits(answers),
    }
    (work / "runs").mkdir(exist_ok=True)
    write_json(work / "runs" / f"{name}.json", result)
    right = sum(answers[q.qa_id] == q.answer_index for q in questions)
    share = right / len(questions)
    print(f"{name}: {share:.3f} of {len(questions)}, {cpu_s:.0f} CPU s", flush=True)


def _train(work: Path, arm: str, name: str, params: Params) -> Path:
    stage = stage_named("student_blind" if arm == ORACLE else "student_sft")
    given = {"release": release_of(work, arm), "base_student": base_student(work, arm, params)}
    shards = shards_of(work)
    folders: dict[str, Path | Mapping[str, Path]] = {}
    for read in stage.reads:
        folder = given.get(read, work / read)
        per_shard = stage_named(read).per_shard
        folders[read] = {shard: folder / shard for shard in shards} if per_shard else folder
    out, live = work / "students" / name, work / "live" / name
    for folder in (out, live):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def progress(done: int, total: int, note: str) -> None:
        if done % 50 == 0 or done == total:
            print(f"{name} {done}/{total} {note}", flush=True)

    stage.load()(
        StageInputs(stage=stage, all_params=params, folders=folders, work=live, progress=progress),
        out,
    )
    return out
