"""Times training and labelling: `python -m benchmarks.speed.training`, on a quiet machine.

Draws a small corpus of simulated clips and runs every stage up to `base_student` at the default
sizes (`benchmarks/.cache/training`, kept). Then it measures, alternating and several times, so that
a slow minute of the machine affects all alike:

- a step of SFT, of P4D with cached labels, and of P4D with the teacher run in the step;
- the same in bfloat16;
- the share of a real run that waits for data;
- labelling against bare forward passes of the teacher.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe
from p4d.artifacts import read_json, write_arrays, write_json
from p4d.config import Params, replace_params
from p4d.determinism import deterministic
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.standalone import drop_stale, run_stages
from p4d.students import load
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import LabelReader, RowOrder, TrainingSamples
from p4d.students.model.batch import PackedBatch
from p4d.students.training.arm import Arm
from p4d.students.training.distillation_setup import set_up_distillation
from p4d.students.training.loop import train_arm
from p4d.students.training.run import TrainingRun
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.worlds.clip_shards import write_clip_shard

SHARDS = ("0000-0a1b2c3d", "0001-0a1b2c3d")  # of `corpus`
WORLDS_PER_SHARD = 24
STAGES = (
    "expert_worlds", "expert", "labels", "regions", "facts", "questions", "release", "base_student",
)  # fmt: skip


def corpus(folder: Path, params: Params) -> None:
    """Make the missing parts of the corpus."""
    for number, shard in enumerate(SHARDS):
        if not (folder / "clips" / shard).is_dir():
            seeds = range(7_000_000 * (number + 1), 7_000_000 * (number + 1) + WORLDS_PER_SHARD)
            write_clip_shard(folder / "clips" / shard, list(seeds), params.clips, shard=shard)
    drop_stale(folder, params, STAGES)
    run_stages(folder, params, STAGES, SHARDS)


def inputs_of(folder: Path, stage: str, params: Params) -> StageInputs:
    def of(name: str) -> Path | dict[str, Path]:
        if stage_named(name).per_shard:
            return {shard.name: shard for shard in sorted((folder / name).iterdir())}
        return folder / name

    made = stage_named(stage)
    return StageInputs(
        stage=made, all_params=params, folders={name: of(name) for name in made.reads}, work=None
    )


class StepRig:
    """An arm and its batches, ready for single steps."""

    def __init__(self, folder: Path, params: Params, *, distils: bool) -> None:
        inputs = inputs_of(folder, "student_p4d", params)
        base = load(inputs.folder("base_student"))
        questions = load_questions(inputs.folder("release"), "train")
        clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
        packer = Packer(base.tokenizer, base.adapter)
        self.setup = set_up_distillation(inputs, base, questions, clips, packer)
        self.arm = Arm(base.adapter, self.setup.distillation if distils else None)
        self.packer = packer
        self.samples = TrainingSamples(
            questions,
            RowOrder(
                length=params.training.steps * params.training.batch,
                seed=params.training.seed,
                maps_every=self.setup.maps_every,
            ),
            questions_per_clip=params.training.questions_per_clip,
            clips=clips,
            labels=self.setup.labels if distils else LabelReader(),
        )
        rows = [self.samples[i] for i in range(params.training.batch)]
        self.batch: PackedBatch = packer.pack(rows, scored=False)
        self.optimizer = torch.optim.AdamW(self.arm.parameters(), lr=1e-4)

    def step(self, precision: torch.dtype | None = None, teacher: Callable | None = None) -> None:
        """One optimizer step on the fixed batch."""
        self.arm.train()
        if teacher is not None:
            teacher(self.batch)
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            terms = self.arm(self.batch)
        torch.stack(list(terms.values())).sum().backward()
        for part in self.arm.children():
            torch.nn.utils.clip_grad_norm_(part.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def interleaved(runs: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each run, measured alternately."""
    walls: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if round_:  # the first one warms up
                walls[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in walls.items()}


def ratios(step_ratio: float, params: Params) -> dict[str, float]:
    """Return the ratio of a distilling step and of a run, whose last steps do not distil.

    The run ratio is computed, not measured.
    """
    run_ratio = 1 + params.distillation.until_fraction * (step_ratio - 1)
    return {"step_ratio": round(step_ratio, 4), "run_ratio": round(run_ratio, 4)}


def steps(folder: Path, params: Params, rounds: int) -> dict[str, object]:
    sft = StepRig(folder, params, distils=False)
    p4d = StepRig(folder, params, distils=True)
    expert = expert4d.load(folder / "expert")

    def teacher(batch: PackedBatch) -> None:
        assert batch.frames is not None, "the arm sees video"
        # A student that reads drawn marks has their picture in front of the clip.
        clip = batch.frames[:, -expert.config.frames :]
        with torch.no_grad():
            expert(clip.contiguous())

    found = interleaved(
        {
            "sft": sft.step,
            "p4d_cached": p4d.step,
            "p4d_online": lambda: p4d.step(teacher=teacher),
            "sft_bfloat16": lambda: sft.step(torch.bfloat16),
            "p4d_cached_bfloat16": lambda: p4d.step(torch.bfloat16),
        },
        rounds,
    )
    clips = params.training.batch
    tokens = int(sft.batch.token_mask.sum())
    return {
        "step_s": {name: round(value, 5) for name, value in found.items()},
        "p4d_over_sft": ratios(found["p4d_cached"] / found["sft"], params),
        "p4d_over_online": round(found["p4d_cached"] / found["p4d_online"], 4),
        "bfloat16_over_float32": {
            name: round(found[f"{name}_bfloat16"] / found[name], 4)
            for name in ("sft", "p4d_cached")
        },
        "clips_per_s": {name: round(clips / value, 2) for name, value in found.items()},
        "tokens_per_s": {name: round(tokens / value, 1) for name, value in found.items()},
    }


def waiting(folder: Path, params: Params) -> dict[str, object]:
    """Run P4D with the data loader, in a process of its own for its peak memory."""
    rig = StepRig(folder, params, distils=True)
    run = TrainingRun(
        samples=rig.samples, packer=rig.packer, params=params.training, weights=rig.setup.weights
    )
    trained = train_arm(rig.arm, run)
    started = time.perf_counter()
    for index in range(48):
        rig.samples[index]
    read_s = (time.perf_counter() - started) / 48
    return {
        "steps": trained.times.steps,
        "wait_share": round(trained.times.data_wait, 5),
        "read_ms_per_clip": round(1e3 * read_s, 3),
        "clips_per_s": round(trained.times.clips / trained.times.wall_s, 2),
        "tokens_per_s": round(trained.times.tokens / trained.times.wall_s, 1),
        "peak_rss_bytes": trained.times.peak_rss_bytes,
    }


def labelling(folder: Path, params: Params, rounds: int) -> dict[str, object]:
    """Return clips per second of labelling a shard, and of bare forward passes.

    The work beside the forward pass is the same for every expert, so its share depends on the
    expert's size. It is measured for the small expert of the project and for one of ViT-B size.
    """
    large = folder / "large_expert"
    enlarged(folder / "expert", large)
    few = max(rounds // 5, 2)
    return {
        "small_expert": _labelling(folder, folder / "expert", params, rounds, clips=None),
        "vit_b_sized_expert": _labelling(folder, large, params, few, clips=16),
    }


def enlarged(source: Path, target: Path) -> None:
    """Write an untrained expert of 12 blocks of width 768, with the mean maps of `source`."""
    small = expert4d.load(source)
    config = dataclasses.replace(small.config, width=768, blocks=12, heads=12, hooks=(6, 12))
    torch.manual_seed(0)
    large = expert4d.Expert4D(config)
    large.load_state_dict(dict(small.named_buffers()), strict=False)
    write_json(target / "config.json", expert4d.config_json(config))
    weights = {name: value.numpy() for name, value in large.state_dict().items()}
    write_arrays(target / "weights.safetensors", weights)


def _labelling(
    folder: Path, expert_folder: Path, params: Params, rounds: int, clips: int | None
) -> dict[str, float]:
    shard = _FirstClips(folder / "clips" / SHARDS[0], clips)
    teacher = ExpertTeacher(expert_folder)
    expert = expert4d.load(expert_folder)
    size = params.labels.batch
    frames = [shard.read(clip_id).rgb_thw3 for clip_id in shard.clip_ids]
    batches = [
        torch.from_numpy(np.stack(frames[i : i + size])) for i in range(0, len(frames), size)
    ]

    def bare() -> None:
        with torch.no_grad():
            for batch in batches:
                expert(batch)

    def labelled() -> None:
        made = label_clips(
            shard, [teacher], folder / "labelled", batch=size, tokens_hw=expert.config.tokens_hw
        )
        assert all(label.reason is None for label in made), "a refused label costs less"

    with deterministic(params.labels.threads, 0):
        found = interleaved({"bare": bare, "labelled": labelled}, rounds)
    return {
        "parameters": sum(weight.numel() for weight in expert.parameters()),
        "bare_clips_per_s": round(len(frames) / found["bare"], 2),
        "labelled_clips_per_s": round(len(frames) / found["labelled"], 2),
        "beside_ms_per_clip": round(1e3 * (found["labelled"] - found["bare"]) / len(frames), 2),
        "labelled_over_bare": round(found["bare"] / found["labelled"], 4),
    }


class _FirstClips(ShardClips):
    """The first `count` clips of a shard; all if None."""

    def __init__(self, folder: Path, count: int | None) -> None:
        super().__init__(folder)
        self._count = count

    @property
    def clip_ids(self) -> tuple[str, ...]:
        return super().clip_ids[: self._count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60, help="of the run that is watched")
    parser.add_argument("--only", choices=["waiting"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    project = Project.find()
    folder = project.root / "benchmarks" / ".cache" / "training"
    params = replace_params(
        project.params,
        expert={"worlds": 32, "holdout_worlds": 4, "steps": 20},
        training={"steps": chosen.steps},
        distillation={"probe_steps": ()},
    )
    result = project.root / "benchmarks" / "results" / "training.json"
    if chosen.only:
        write_json(folder / "waiting.json", waiting(folder, params))
        return
    corpus(folder, params)
    again = [sys.executable, "-m", "benchmarks.speed.training", "--only", "waiting"]
    subprocess.run([*again, "--steps", str(chosen.steps)], check=True, cwd=project.root)
    torch.set_num_threads(params.training.threads)
    figures = {
        "machine": describe(project.root),
        "command": "python -m benchmarks.speed.training "
        f"--rounds {chosen.rounds} --steps {chosen.steps}",
        "step": steps(folder, params, chosen.rounds),
        "data": read_json(folder / "waiting.json"),
        "labelling": labelling(folder, params, chosen.rounds),
    }
    write_json(result, figures)
    for name, value in figures.items():
        if name != "machine":
            print(name, value)


if __name__ == "__main__":
    main()
