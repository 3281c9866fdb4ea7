"""What the stage `labels` costs beside the forward passes of the expert, on the same clips.

Both run in turn in one process, on the clips of the largest shard of a finished project, with the
teachers of its params.yaml. The stage reads clips, labels, encodes, measures and writes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from p4d.compute.freed_memory import keep_freed_memory
from p4d.determinism import deterministic
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.teachers.expert4d import network
from p4d.teachers.labelling.label import ShardClips, build_labels

STAGE = stage_named("labels")
ROUNDS = 9


def measure(finished: Path) -> dict[str, object]:
    """Return seconds of the stage over those of the bare forward passes, by threads of torch.

    `labels_ratio` is that with one thread: the machine then has a processor for what the stage does
    beside the network, as it has where the network runs on a GPU.
    """
    keep_freed_memory()  # as each process of p4d does
    project = Project(finished)
    shard, clips = _largest(project)
    found = {threads: _rounds(project, shard, clips, threads) for threads in (1, 2)}
    return {
        "labels_ratio": found[1]["ratio"],
        "labels_ratio_detail": {
            "clips": len(clips.clip_ids),
            "teachers": list(project.params.labels.teachers),
            "rounds": ROUNDS,
            "by_threads": {str(threads): each for threads, each in found.items()},
        },
    }


def _largest(project: Project) -> tuple[str, ShardClips]:
    made = [name for name in project.shards() if (project.data / "labels" / name).is_dir()]
    shards = {name: ShardClips(project.data / "clips" / name) for name in made}
    return max(shards.items(), key=lambda each: len(each[1].clip_ids))


def _rounds(
    project: Project, shard: str, clips: ShardClips, threads: int
) -> dict[str, float | list[float]]:
    labels = replace(project.params.labels, threads=threads)
    inputs = StageInputs(
        stage=STAGE,
        all_params=replace(project.params, labels=labels),
        folders=_folders(project, shard),
        shard=shard,
    )
    expert = network.load(project.data / "expert")
    frames = [clips.read(clip_id).rgb_thw3 for clip_id in clips.clip_ids]
    batches = [
        torch.from_numpy(np.stack(frames[first : first + labels.batch]))
        for first in range(0, len(frames), labels.batch)
    ]

    def bare() -> None:
        with deterministic(threads, 0), torch.no_grad():
            for batch in batches:
                expert(batch)

    def stage() -> None:
        with tempfile.TemporaryDirectory() as out:
            report = build_labels(inputs, Path(out))
        assert not report.rows["failed"], "a refused label costs less"

    spent: dict[str, list[_Seconds]] = {"bare": [], "stage": []}
    for _ in range(ROUNDS + 1):
        for name, run in (("bare", bare), ("stage", stage)):
            spent[name].append(_timed(run))
    walls = {name: [each[0] for each in times[1:]] for name, times in spent.items()}
    cpus = {name: [each[1] for each in times[1:]] for name, times in spent.items()}
    ratios = [a / b for a, b in zip(walls["stage"], walls["bare"], strict=True)]
    click.echo(f"{threads} threads: {[round(ratio, 3) for ratio in ratios]}", err=True)
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_cpu": round(statistics.median(cpus["stage"]) / statistics.median(cpus["bare"]), 3),
        "bare_s": round(statistics.median(walls["bare"]), 3),
        "stage_s": round(statistics.median(walls["stage"]), 3),
    }


_Seconds = tuple[float, float]


def _timed(run: Callable[[], None]) -> _Seconds:
    """Seconds by the clock, and of processor time of all threads."""
    started, before = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - before


def _folders(project: Project, shard: str) -> Mapping[str, Path]:
    return {
        name: project.data / name / shard if stage_named(name).per_shard else project.data / name
        for name in STAGE.inputs
    }
