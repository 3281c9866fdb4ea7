"""The expert as a teacher against its own bare forward pass, on a shard that a project has made.

    python -m benchmarks.speed.expert [--project .] [--rounds 7] [--threads 1]

`labelled` is the work of the stage `labels` with the expert alone: forward passes, cameras fitted
to rays, encoding, statistics of each label, tables. `bare` is the forward passes. Both run in turn
in this process, `--threads` threads of torch each. What lies beside the forward pass runs in one
thread while the next clips are labelled, so wall seconds show it only where a second processor is
free; processor seconds show all of it. Writes `expert_ratio` of `benchmarks/results/reality.json`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.machine import CHECKOUT
from benchmarks.reality import record
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.project import Project
from p4d.teachers.expert4d.network import load
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def largest_shard(project: Project) -> ShardClips:
    """The clips of the shard that has most."""
    shards = [ShardClips(project.data / "clips" / shard) for shard in project.shards()]
    return max(shards, key=lambda clips: len(clips.clip_ids))


def measure(project: Project, rounds: int, threads: int) -> dict[str, object]:
    """Label a shard, and pass its clips through the network alone, in turn."""
    folder = project.data / "expert"
    clips, teacher, network = largest_shard(project), ExpertTeacher(folder), load(folder)
    size, tokens_hw = project.params.labels.batch, network.config.tokens_hw
    frames = [clips.read(clip_id).rgb_thw3 for clip_id in clips.clip_ids]
    batches = [
        torch.from_numpy(np.stack(frames[at : at + size])) for at in range(0, len(frames), size)
    ]

    def bare() -> None:
        with torch.no_grad():
            for batch in batches:
                network(batch)

    def labelled() -> None:
        with TemporaryDirectory() as name:
            made = label_clips(clips, [teacher], Path(name), batch=size, tokens_hw=tokens_hw)
        if any(label.reason is not None for label in made):
            raise ContractError("a label was refused, which costs less than one that is stored")

    with deterministic(threads, 0):
        bare()
        labelled()  # the first pass of either warms up
        found = [(seconds(bare), seconds(labelled)) for _ in range(rounds)]
    wall = [alone[0] / whole[0] for alone, whole in found]
    cpu = [alone[1] / whole[1] for alone, whole in found]
    return {
        "wall": round(statistics.median(wall), 3),
        "cpu": round(statistics.median(cpu), 3),
        "wall_rounds": [round(ratio, 3) for ratio in wall],
        "cpu_rounds": [round(ratio, 3) for ratio in cpu],
        "clips": len(frames),
        "threads": threads,
        "bare_clips_per_s": round(
            len(frames) / statistics.median(alone[0] for alone, _ in found), 1
        ),
    }


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=CHECKOUT)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    figures = measure(Project(wanted.project.resolve()), wanted.rounds, wanted.threads)
    command = f"python -m benchmarks.speed.expert --rounds {wanted.rounds}"
    record("expert_ratio", figures, f"{command} --threads {wanted.threads}, after make demo")


if __name__ == "__main__":
    main()
