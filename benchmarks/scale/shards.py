"""What a small shard costs beside its stages, and what worker processes gain.

Works in a copy of a finished project: its expert labels new simulated videos, each in a shard of
its own.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks.scale.memory import watched_processes
from p4d.pipeline import STAGES
from p4d.project import Project
from p4d.versioning.ledger.ledger import Ledger
from p4d.video.landing import land
from p4d.worlds.corpus import write_world

PER_SHARD = [stage.name for stage in STAGES if stage.per_shard]
_FIRST_SEED = 70_000


def measure_overhead(finished: Path, shards: int) -> dict[str, object]:
    """Return seconds of `up` per new shard over the seconds of its stages.

    `up` makes a shard while it checks another, so that stages wait for processors as well. The
    ratio of processor seconds says what is done beside them. `further` is what each shard costs
    once the processes have started: the difference to a run of three times as many shards.
    """
    with _copy(finished) as project:
        _up(project)
        nothing_s = _up(project)
        new = _land(project, shards)
        before = _cpu_of_children_s()
        wall_s = _up(project)
        cpu_s = _cpu_of_children_s() - before
        stages_s, stages_cpu_s = _stage_seconds(project, new)
        many = _land(project, 3 * shards, first=shards)
        before = _cpu_of_children_s()
        many_s = _up(project)
        many_cpu_s = _cpu_of_children_s() - before
        many_stages_s, many_stages_cpu_s = _stage_seconds(project, many)
    return {
        "shard_overhead": round(wall_s / stages_s, 2),
        "shard_overhead_detail": {
            "shards": shards,
            "up_s": round(wall_s, 2),
            "up_cpu_s": round(cpu_s, 2),
            "stages_s": round(stages_s, 2),
            "stages_cpu_s": round(stages_cpu_s, 2),
            "up_nothing_to_do_s": round(nothing_s, 2),
            "ratio_without_start": round((wall_s - nothing_s) / stages_s, 2),
            "ratio_cpu": round(cpu_s / stages_cpu_s, 2),
            "further": {
                "shards": 2 * shards,
                "up_s": round(many_s - wall_s, 2),
                "stages_s": round(many_stages_s - stages_s, 2),
                "ratio": round((many_s - wall_s) / (many_stages_s - stages_s), 2),
                "ratio_cpu": round((many_cpu_s - cpu_s) / (many_stages_cpu_s - stages_cpu_s), 2),
            },
        },
    }


def measure_memory(finished: Path, shards: int) -> dict[str, object]:
    """Return the peak resident memory of each process of `up`, in MB, by what it does.

    Libraries that processes share are counted in each of them.
    """
    with _copy(finished) as project:
        _up(project)
        _land(project, shards)
        with watched_processes() as peaks_mb:
            _up(project)
    return {"up_peak_mb": peaks_mb}


def measure_local(finished: Path, shards: int) -> dict[str, object]:
    """Return shards per minute with one worker and with two, and the share of twice as many."""
    per_minute = {}
    for workers in (1, 2):
        with _copy(finished) as project:
            _up(project)
            (project.root / "compute.yaml").write_text(f"workers: {workers}\n", encoding="utf-8")
            _land(project, shards)
            per_minute[workers] = 60 * shards / _up(project)
            click.echo(f"{workers} workers: {per_minute[workers]:.2f} shards per minute", err=True)
    return {
        "local": {
            "shards": shards,
            "shards_per_minute": {str(n): round(rate, 2) for n, rate in per_minute.items()},
            "share_of_ideal": round(per_minute[2] / (2 * per_minute[1]), 3),
        }
    }


@contextmanager
def _copy(finished: Path) -> Iterator[Project]:
    with tempfile.TemporaryDirectory(prefix="p4d-scale-", dir=finished.resolve().parent) as folder:
        root = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".venv*", "__pycache__", ".mypy_cache", ".ruff_cache")
        shutil.copytree(finished, root, symlinks=True, ignore=ignored)
        os.sync()  # else what `up` flushes waits for gigabytes of this copy
        # Gates that changed have the expert checked again, and until then all that reads it.
        _up(Project(root), ("expert_worlds", "expert"))
        yield Project(root)


def _land(project: Project, count: int, first: int = 0) -> list[str]:
    """Land simulated videos one by one, from number `first` on; returns the new shards."""
    before = set(project.shards())
    for number in range(first, first + count):
        write_world(
            project.inbox / f"scale-{number}.mp4", _FIRST_SEED + number, project.params.worlds
        )
        land(project)
    return [shard for shard in project.shards() if shard not in before]


def _up(project: Project, stages: Sequence[str] = tuple(PER_SHARD)) -> float:
    """Run some stages, by default those per shard; returns the wall seconds of the process."""
    only = [part for name in stages for part in ("--only", name)]
    # A user's Python writes bytecode; that this one may not must not slow `up` down.
    ours = ("P4D_", "PYTHONDONTWRITEBYTECODE")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "PYTHONPATH": str(project.root),
        "DAGSTER_HOME": str(project.root / ".dagster"),
    }
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dagster_project", "up", *only],
        cwd=project.root, env=environment, check=True, stdout=sys.stderr,
    )  # fmt: skip
    return time.perf_counter() - started


def _stage_seconds(project: Project, shards: list[str]) -> tuple[float, float]:
    """Seconds of the stages by the clock, and of processors."""
    index = Ledger(project).index()
    costs = [
        records[-1]["cost"]
        for key, records in index.made.items()
        if key.shard in shards and records
    ]
    return sum(float(cost["wall_s"]) for cost in costs), sum(float(c["cpu_s"]) for c in costs)


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
