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
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.machine import CHECKOUT
from benchmarks.synthetic import stages_project
from p4d.project import Project
from p4d.versioning.dvc.lock_file import LOCK_FILE
from p4d.versioning.dvc.pipeline_file import GROUP, GROUPS, address, render
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
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for size in sizes:
        root, name = _made(size), str(size)
        noop, rss_mib = _nothing_to_do(root)
        one = _dvc_status(root)
        found["noop_s_by_shards"][name] = noop.wall_s
        found["noop_cpu_s_by_shards"][name] = noop.cpu_s
        found["status_one_shard_s_by_shards"][name] = one.wall_s
        found["status_one_shard_cpu_s_by_shards"][name] = one.cpu_s
        published = _publish(root)
        found["publish_s_by_shards"][name] = published.wall_s
        found["publish_cpu_s_by_shards"][name] = published.cpu_s
        found["lock_bytes_by_shards"][name] = _lock_bytes(root)
        click.echo(
            f"{size} shards: publish {published}, nothing to do {noop}, dvc status of a shard "
            f"{one}, memory {rss_mib} MiB",
            err=True,
        )
        found["plan_rss_mb_by_shards"][name] = round(rss_mib * 2**20 / 1e6)
    return dict(found)


@dataclass(frozen=True)
class _Spent:
    """Seconds of a process: by the clock, and of processor time with its children.

    On a machine that does other work, the first is an upper bound and the second the figure.
    """

    wall_s: float
    cpu_s: float


def _lock_bytes(root: Path) -> int:
    """Bytes of all files dvc.lock, in which DVC and p4d look entries up."""
    return sum(
        path.stat().st_size for path in [root / LOCK_FILE, *root.glob(f"{GROUPS}/*/{LOCK_FILE}")]
    )


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


def _nothing_to_do(root: Path) -> tuple[_Spent, int]:
    """Return the median of three separate processes, and the peak memory of the last in MiB."""
    code = "from benchmarks.scale.growth import report; report()"
    peaks: list[str] = []
    spent = _median(lambda: peaks.append(_python(root, code)), 3)
    return spent, int(peaks[-1])


def report() -> None:
    """Run `nothing_to_do` here and print the peak memory of this process in MiB."""
    nothing_to_do(Path.cwd())
    # Not `ru_maxrss`: a process begins with that of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    click.echo(int(peak) >> 10)


def _dvc_status(root: Path) -> _Spent:
    """Return the median of `dvc status` for the pipeline file of one shard, a process each."""
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


def _publish(root: Path) -> _Spent:
    """Return the median from a request to its record, minus the stage's own, when warm."""
    code = "from benchmarks.scale.growth import publish; publish()"
    return _Spent(*map(float, _python(root, code).split()))


def publish() -> None:
    """Publish some shards again in this process and print the median of the warm ones."""
    project = stages_project.open_project(Path.cwd())
    shards, walls, cpus = project.shards(), [], []
    for number in range(PUBLISHED):
        key = ArtifactKey("clips", shards[number * len(shards) // PUBLISHED])
        started, before = time.perf_counter(), time.process_time()
        made = run_stage(project, key, run_id="scale", force=True, gates={})
        walls.append(time.perf_counter() - started - float(made.cost["wall_s"]))
        cpus.append(time.process_time() - before - float(made.cost["cpu_s"]))
    click.echo(" ".join(f"{statistics.median(each[WARM_UP:]):.3f}" for each in (walls, cpus)))
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


def _median(run: Callable[[], None], times: int) -> _Spent:
    walls, cpus = [], []
    for _ in range(times):
        started, before = time.perf_counter(), _cpu_of_children_s()
        run()
        walls.append(time.perf_counter() - started)
        cpus.append(_cpu_of_children_s() - before)
    return _Spent(round(statistics.median(walls), 2), round(statistics.median(cpus), 2))


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
