"""Does distillation make the embedded student answer better? `make bench-distillation`.

All arms start from the same base, see the same questions in the same order for as many steps, and
answer the same held-out questions, seeds and all. Every run leaves a small file in the work folder
and is not repeated, so a killed benchmark goes on where it was. Figures: benchmarks/results/.

An arm differs from SFT in nothing but what its entry in `plan` says. Controls change what is in the
data, not the code: they are copies of the release or of the clips with something taken away.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.answering import as_digits, chosen_options, frozen_answers, frozen_benchmark
from benchmarks.distillation_report import COST, INFERENCE, ON_FROZEN, collect, restore
from benchmarks.machine import describe
from benchmarks.training import cost_of_distilling
from p4d.artifacts import (
    Arrays,
    read_json,
    read_table,
    write_arrays,
    write_bytes,
    write_json,
    write_table,
)
from p4d.config import Params, replace_params
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.ids import content_id, sha256_file
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.standalone import drop_stale, run_stages
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import Question, load_questions
from p4d.students.embedded import CORE_FAMILIES
from p4d.students.model.student import Student, load
from p4d.students.training.live import TIMES
from p4d.studies.fact_text import FactTexts, with_facts
from p4d.worlds.clip_shards import write_clip_shard

CHECKOUT = Path(__file__).resolve().parent.parent
FIRST_WORLD, WORLDS_PER_SHARD = 9_000_000, 150
COST_ROUNDS = 24
PER_SHARD = ("labels", "regions", "facts", "questions")
STAGES = ("expert_worlds", "expert", *PER_SHARD, "release", "base_student")
RELEASES = ("release_timed", "release_perfect_facts", "release_all_facts")
CLIPS = ("clips_first_frame", "clips_timeless", "clips_burned")


@dataclass(frozen=True)
class Run:
    """One training run and its answers.

    Attributes:
        arm: name of what is compared.
        seed: of data order and decoder.
        stage: student_sft | student_p4d | student_blind | TEACHER_GIVEN.
        length: steps as a share of the full length.
        distillation: changed keys of that section.
        training: the same of that one.
        release: variant of the questions.
        clips: variant of the clips.
        role: arm | control | ablation.
    """

    arm: str
    seed: int = 0
    stage: str = "student_sft"
    length: float = 1.0
    distillation: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    release: str = "release"
    clips: str = "clips"
    role: str = "arm"

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.arm}-{self.seed}"


TEACHER_GIVEN = "teacher_given"
"""The control of benchmarks/teacher_given.py, which is no stage."""
PROBE_STEPS = (50, 300, 600)
"""And after the last one."""
EXACT = {"teacher": "exact", "latents": False, "maps_every": 1}
KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""For glibc, which else returns it to the system after every step: 4 % of a run's time."""
ALONE = {"batch": 64, "questions_per_clip": 1}
"""As many questions a step, each in a row of its own where no clip is there to be shared."""
READING = {"batch": 32, "questions_per_clip": 1}
"""Half as many a step: facts are long."""


def plan(seeds: int, p4d_over_sft: float) -> list[Run]:
    """All runs, those that matter most first; `p4d_over_sft`: time of a run."""
    runs = [
        Run(arm, seed, stage)
        for seed in range(seeds)
        for arm, stage in (("sft", "student_sft"), ("p4d", "student_p4d"))
    ]
    runs += [
        Run("p4d_equal_time", seed, "student_p4d", length=min(1.0, 1 / p4d_over_sft))
        for seed in range(seeds)
    ]
    runs += [Run("p4d_exact", 0, "student_p4d", distillation=EXACT)]
    blind, control = "student_blind", "control"
    facts: dict[str, Any] = {"stage": blind, "training": READING, "role": control}
    runs += [
        Run("text_only", stage=blind, training=ALONE, role=control),
        Run("text_and_time", stage=blind, training=ALONE, release="release_timed", role=control),
        Run("regions_only", clips="clips_first_frame", role=control),
        Run("teacher_features", stage=TEACHER_GIVEN, role=control),
        Run("perfect_facts", release="release_perfect_facts", **facts),
        Run("all_facts", release="release_all_facts", length=3.0, **facts),
    ]
    runs += [Run("p4d_exact", seed, "student_p4d", distillation=EXACT) for seed in range(1, seeds)]
    ablation = partial(Run, stage="student_p4d", role="ablation")
    runs += [
        ablation("latent_only", distillation={"modalities": ()}),
        ablation("explicit_only", distillation={"latents": False}),
        *(
            ablation(f"latent_{name}", distillation={"modalities": (name,)})
            for name in ("depth", "flow", "motion", "rays")
        ),
        ablation("time_none", clips="clips_timeless"),
        ablation("time_in_text", clips="clips_timeless", release="release_timed"),
        ablation("time_burned_in", clips="clips_burned"),
        ablation("to_the_end", distillation={"until_fraction": 1.0}),
    ]
    return runs


def settings(steps: int, run: Run) -> Params:
    """The project's parameters with one thread and what the run changes."""
    params = Project(CHECKOUT).params
    return replace_params(
        params,
        student={"checkpoint": "embedded"},
        expert={"checkpoint": "embedded"},
        release={"test_fraction": 0.10, "val_fraction": 0.0},
        questions={"families": CORE_FAMILIES},
        training={
            "steps": round(steps * run.length),
            "seed": params.training.seed + run.seed,
            "threads": 1,
            "save_steps": 0,
            **run.training,
        },
        distillation={"probe_steps": PROBE_STEPS, **run.distillation},
        labels={"threads": 1},
    )


def prepare(work: Path, worlds: int, params: Params, processes: int) -> None:
    """Corpus, labels, questions, release and base student; what other code made is made anew."""
    began = time.perf_counter()
    stale = drop_stale(work, params, STAGES)
    drawn = ["clips"] if "expert_worlds" in stale else []  # by the same code
    for name in (*drawn, *(RELEASES + CLIPS if stale else ())):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in (COST, INFERENCE) if stale else ():
        (work / name).unlink(missing_ok=True)
    run_stages(work, params, ("expert_worlds", "expert"), ())
    per_shard = min(worlds, WORLDS_PER_SHARD)
    firsts = [FIRST_WORLD + number * per_shard for number in range(worlds // per_shard)]
    shards = [f"{number:04d}-{first:08x}" for number, first in enumerate(firsts)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(partial(_make_shard, work, params, per_shard), shards, firsts))
    run_stages(work, params, ("release", "base_student"), shards)
    print(f"corpus of {len(shards)} shards in {time.perf_counter() - began:.0f} s", flush=True)


def _make_shard(work: Path, params: Params, worlds: int, shard: str, first: int) -> None:
    target = work / "clips" / shard
    if not target.is_dir():
        unfinished = target.with_name(f".{shard}.partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        seeds = range(first, first + worlds)
        write_clip_shard(unfinished, seeds, params.clips, shard=shard, workers=1)
        unfinished.rename(target)
    run_stages(work, params, PER_SHARD, [shard])


def shards_of(work: Path) -> list[str]:
    """Names of the shards of a prepared corpus."""
    return sorted(path.name for path in (work / "questions").iterdir())


def corpus_of(work: Path) -> str:
    """Id of what runs see and are asked, by content.

    Truth, labels and cards are left out: their bytes may be those of the processor.
    """
    shards = shards_of(work)
    files = (
        *(work / "clips" / shard / "frames.safetensors" for shard in shards),
        *(work / "regions" / shard / "masks.safetensors" for shard in shards),
        work / "release" / "questions.parquet",
        work / "expert" / "weights.safetensors",
        work / "base_student" / "model" / "model.safetensors",
    )
    return content_id("corpus", *map(sha256_file, files))


def make_variants(work: Path, shards: Sequence[str]) -> None:
    """Copies with something given or taken away."""
    for name in RELEASES:
        if (work / name).is_dir():
            continue
        table = read_table(work / "release" / "questions.parquet")
        if name == "release_timed":
            said = "The frames are 0.25 sec apart: 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75 sec.\n"
            table = table.with_columns(question=pl.lit(said) + pl.col("question"))
        else:
            texts = {
                shard: FactTexts(*(work / n / shard for n in ("regions", "facts", "questions")))
                for shard in shards
            }
            given = []
            for question in _questions(table):
                facts = texts[question.shard]
                chosen = facts.of if name == "release_all_facts" else facts.short
                given.append(with_facts(question, chosen(question, as_asked=True)).question)
            table = table.with_columns(question=pl.Series(given))
        unfinished = work / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(work / "release", unfinished)
        write_table(unfinished / "questions.parquet", table, sort_by=["qa_id"])
        unfinished.rename(work / name)
    for name in CLIPS:
        for shard in shards:
            _clips_variant(work, name, shard)


def _clips_variant(work: Path, name: str, shard: str) -> None:
    target = work / name / shard
    if target.is_dir():
        return
    source, unfinished = work / "clips" / shard, work / name / f".{shard}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    table = read_table(source / "clips.parquet")
    if name != "clips_first_frame":
        # Neighbouring nanoseconds: order stays, and the encoding of time says nothing.
        count = len(table["frame_pts_ns"][0])
        ticks = [[start + k for k in range(count)] for start in table["start_ns"].to_list()]
        table = table.with_columns(frame_pts_ns=pl.Series(ticks))
    write_table(unfinished / "clips.parquet", table, sort_by=["clip_id"])
    if name == "clips_timeless":
        write_bytes(unfinished / "frames.safetensors", (source / "frames.safetensors").read_bytes())
    else:
        change = _frozen if name == "clips_first_frame" else _burned
        arrays = Arrays(source / "frames.safetensors")
        names = [f"{clip}.rgb_thw3" for clip in table["clip_id"].to_list()]
        write_arrays(
            unfinished / "frames.safetensors", {n: change(arrays[n]) for n in names if n in arrays}
        )
    unfinished.rename(target)


def _frozen(frames: np.ndarray) -> np.ndarray:
    return np.repeat(frames[:1], len(frames), axis=0)


def _burned(frames: np.ndarray) -> np.ndarray:
    """A white bar at the lower edge that grows with time: numbers are unreadable at this size."""
    marked = frames.copy()
    side = frames.shape[2]
    for t in range(len(frames)):
        marked[t, -3:, : side * (t + 1) // len(frames)] = 255
    return marked


def _questions(table: pl.DataFrame) -> Iterator[Question]:
    names = [each.name for each in dataclasses.fields(Question)]
    for row in table.select(names).iter_rows(named=True):
        yield Question(**{**row, "options": tuple(row["options"])})


def train_and_answer(work: Path, run: Run, steps: int, shards: Sequence[str]) -> dict[str, Any]:
    """One run in this process: the stage's own function, then every test question."""
    params = settings(steps, run)
    clips = ClipReader(
        {shard: work / run.clips / shard for shard in shards},
        {shard: work / "regions" / shard for shard in shards},
    )
    live = work / "live" / run.name
    shutil.rmtree(live, ignore_errors=True)
    live.mkdir(parents=True)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    if run.stage == TEACHER_GIVEN:
        from benchmarks.teacher_given import trained

        with trained(work, params, clips, partial(_tell, run.name)) as student:
            metrics: dict[str, Any] = {}
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            answers, frozen = answer(work, run, student, clips, params), ""
    else:
        out = work / "students" / run.name
        metrics = _train(work, run, params, shards, out, live)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        student = load(out)
        answers, frozen = answer(work, run, student, clips, params), _on_frozen(run, student)
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


def _on_frozen(run: Run, student: Student) -> str:
    """Answers to R4D-World of the arms that are asked it; empty for others, and where it is not."""
    project = Project(CHECKOUT)
    if run.arm not in ON_FROZEN or (benchmark := frozen_benchmark(project)) is None:
        return ""
    return as_digits(frozen_answers(benchmark, student, project.params))


def _train(
    work: Path, run: Run, params: Params, shards: Sequence[str], out: Path, live: Path
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
        params_=params,
        folders=folders,
        work=live,
        progress=partial(_tell, run.name),
    )
    return dict(stage.load()(inputs, out).metrics)


def _data_wait(live: Path) -> float | None:
    """Share of the training time that waited for a batch."""
    found = next(live.rglob(TIMES), None)
    return json.loads(found.read_text()).get("data_wait") if found else None


def answer(
    work: Path, run: Run, student: Student, clips: ClipReader, params: Params
) -> dict[str, int]:
    """Which option the student finds likeliest, by test question."""
    questions = load_questions(work / run.release, "test")
    return chosen_options(student, questions, ClipVisuals(clips), params)


def _tell(name: str, done: int, total: int, note: str) -> None:
    if done % 50 == 0 or done == total:
        print(f"{name} {done}/{total} {note}", flush=True)


def perform(work: Path, runs: Sequence[Run], arguments: argparse.Namespace, until_s: float) -> None:
    """Run what is missing, each in a process of one thread; none begins after `until_s`."""
    corpus = corpus_of(work)

    def one(run: Run) -> None:
        there = work / "runs" / f"{run.name}.json"
        if there.is_file() and read_json(there)["corpus"] == corpus:
            return
        if time.monotonic() > until_s:
            return
        command = [sys.executable, "-m", "benchmarks.distillation", "--one", run.name]
        for name in ("work", "worlds", "steps", "seeds"):
            command += [f"--{name}", str(getattr(arguments, name))]
        began = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **KEEP_FREED_MEMORY}
        with (work / "runs" / f"{run.name}.log").open("w") as log:
            done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
        outcome = "failed" if done.returncode else f"{time.perf_counter() - began:.0f} s"
        print(f"{run.name}: {outcome}", flush=True)

    with ThreadPoolExecutor(arguments.processes) as pool:
        list(pool.map(one, runs))


def measure_cost(work: Path, params: Params) -> None:
    """Write once what distillation costs, from which equal time follows.

    Steps of both arms are taken in turn: whole runs are hours apart on machines that others share.
    """
    if not (work / COST).is_file():
        write_json(work / COST, cost_of_distilling(work, params, COST_ROUNDS))


def planned(work: Path, arguments: argparse.Namespace) -> list[Run]:
    """The plan, with the cost of this machine."""
    measure_cost(work, settings(arguments.steps, Run("p4d")))
    return plan(arguments.seeds, read_json(work / COST)["run_ratio"])


def main() -> None:
    """Prepare, run, collect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=CHECKOUT / "benchmark_data" / "distillation")
    parser.add_argument("--worlds", type=int, default=1800)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--minutes", type=float, default=45.0, help="none but SFT and P4D begins after these"
    )
    parser.add_argument("--collect", action="store_true", help="report what there is; run nothing")
    parser.add_argument(
        "--recorded", action="store_true", help="run only what is not in benchmarks/results yet"
    )
    parser.add_argument("--one", help="a single run, by name; used by the benchmark itself")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    (work / "runs").mkdir(parents=True, exist_ok=True)
    if arguments.one:
        run = {run.name: run for run in planned(work, arguments)}[arguments.one]
        result = train_and_answer(work, run, arguments.steps, shards_of(work))
        write_json(work / "runs" / f"{run.name}.json", result)
        return
    if arguments.collect:
        collect(work, CHECKOUT, corpus_of(work), seeds=arguments.seeds)
        return
    until_s = time.monotonic() + 60 * arguments.minutes
    prepare(work, arguments.worlds, settings(arguments.steps, Run("sft")), arguments.processes)
    if arguments.recorded:
        restore(work, CHECKOUT, corpus_of(work))
    runs = planned(work, arguments)
    perform(work, [run for run in runs if run.arm in ON_FROZEN], arguments, math.inf)
    if time.monotonic() < until_s:
        make_variants(work, shards_of(work))
        perform(work, runs, arguments, until_s)
    collect(work, CHECKOUT, corpus_of(work), seeds=arguments.seeds)


if __name__ == "__main__":
    main()
