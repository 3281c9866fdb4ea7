"""What one shard costs in a project of 100, 1,000 and 10,000 shards of trivial stages.

The stages import 40 code files, as the real ones do. A project is made once and kept in
benchmarks/.cache/scale under a digest of the stage table, the parameters and the pipeline files:
one of another form would not be up to date.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.machine import CHECKOUT
from benchmarks.synthetic import stages_project
from p4d.project import Project
from p4d.versioning.dvc.pipeline_file import GROUP, address, render
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.continuity import is_anchored
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.run.recovery import recover
from p4d.versioning.run.run_stage import run_stage
from p4d.versioning.state.check_records import refresh_blocked
from p4d.versioning.state.fingerprint import digest_of
from p4d.versioning.state.plan import make_plan

CACHE = CHECKOUT / "benchmarks" / ".cache" / "scale"
MODULES = 40
PUBLISHED, WARM_UP = 12, 2


def measure(sizes: Sequence[int]) -> dict[str, object]:
    """Return publishing, the check that finds nothing to do, and `dvc status` by shards."""
    publish: dict[str, float] = {}
    nothing: dict[str, float] = {}
    one: dict[str, float] = {}
    for size in sizes:
        root = _made(size)
        nothing[str(size)], rss_mib = _nothing_to_do(root)
        one[str(size)] = _dvc_status(root)
        publish[str(size)] = _publish(root)
        click.echo(
            f"{size} shards: publish {publish[str(size)]} s, nothing to do {nothing[str(size)]} s, "
            f"dvc status of a shard {one[str(size)]} s, memory {rss_mib} MiB",
            err=True,
        )
    return {
        "publish_s_by_shards": publish,
        "noop_s_by_shards": nothing,
        "status_one_shard_s": one[str(max(sizes))],
        "status_one_shard_s_by_shards": one,
        "plan_rss_mb": round(rss_mib * 2**20 / 1e6),
    }


def _made(size: int) -> Path:
    form = [[repr(stage) for stage in stages_project.stages()], GROUP, MODULES]
    form.append((CHECKOUT / "params.yaml").read_text(encoding="utf-8"))
    form += render(stages_project.stages(), ["0000-00000000"]).values()
    root = CACHE / f"{size}-{digest_of(form)}" / "project"
    done = root.parent / "done"
    if not done.exists():
        shutil.rmtree(root.parent, ignore_errors=True)
        project = stages_project.make(root, size, files=1, others=1, modules=MODULES)
        refresh_blocked(project, gates={})
        done.touch()
    return root


def nothing_to_do(root: Path) -> None:
    """Do what `make up` does on a project that is up to date, but for Dagster."""
    project = stages_project.open_project(root)
    recover(project)
    refresh_pipeline_files(project)
    refresh_blocked(project, gates={})
    plan = make_plan(project, gates={}, checks_version="")
    assert not plan.wanted, sorted(map(str, plan.wanted))[:5]
    assert is_anchored(project)


def _nothing_to_do(root: Path) -> tuple[float, int]:
    """Return median seconds of three separate processes, and the peak memory of the last in MiB."""
    code = "from benchmarks.scale.growth import report; report()"
    walls, peak = [], "0"
    for _ in range(3):
        started = time.perf_counter()
        peak = _python(root, code)
        walls.append(time.perf_counter() - started)
    return round(statistics.median(walls), 2), int(peak)


def report() -> None:
    """Run `nothing_to_do` here and print the peak memory of this process in MiB."""
    nothing_to_do(Path.cwd())
    click.echo(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


def _dvc_status(root: Path) -> float:
    """Return median seconds of `dvc status` for the pipeline file of one shard, a process each."""
    project = stages_project.open_project(root)
    shard = project.shards()[len(project.shards()) // 2]
    file = address(ArtifactKey("labels", shard)).rpartition(":")[0]
    # To say "up to date" in words, DVC first reads every pipeline file, to see if there is one.
    command = ["dvc", "status", "--json", *filter(None, [file])]

    def run() -> None:
        done = subprocess.run(
            command, cwd=root, check=True, capture_output=True, text=True, encoding="utf-8"
        )
        assert json.loads(done.stdout) == {}, done.stdout

    return _median(run, 3)


def _publish(root: Path) -> float:
    """Return median seconds from a request to its record, minus the stage's own, when warm."""
    code = "from benchmarks.scale.growth import publish; publish()"
    return float(_python(root, code))


def publish() -> None:
    """Publish some shards again in this process and print the median of the warm ones."""
    project = stages_project.open_project(Path.cwd())
    shards, spent = project.shards(), []
    for number in range(PUBLISHED):
        key = ArtifactKey("clips", shards[number * len(shards) // PUBLISHED])
        started = time.perf_counter()
        made = run_stage(project, key, run_id="scale", force=True, gates={})
        spent.append(time.perf_counter() - started - float(made.cost["wall_s"]))
    click.echo(round(statistics.median(spent[WARM_UP:]), 3))
    _anchor(project)


def _anchor(project: Project) -> None:
    from p4d.versioning.ledger.anchor import anchor

    anchor(project, "measured")


def _python(root: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{root}:{CHECKOUT}"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    return done.stdout


def _median(run: Callable[[], None], times: int) -> float:
    walls = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        walls.append(time.perf_counter() - started)
    return round(statistics.median(walls), 2)
