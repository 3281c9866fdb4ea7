"""Durability in figures: `python -m benchmarks.speed.durability kills|publish|noop|verify|all`.

Kills: see `tests/durability/kills.py` for what runs and what is compared. Publishing, the check
that finds nothing to do, and verification run on synthetic projects with the pipeline's own stage
table (`benchmarks/synthetic/stages_project.py`). Results are merged into
benchmarks/results/durability.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import CHECKOUT, RESULTS, describe
from benchmarks.synthetic import stages_project
from p4d.artifacts import write_json
from p4d.audit.proof.verify import verify
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.continuity import is_anchored
from p4d.versioning.run.recovery import recover
from p4d.versioning.run.run_stage import run_stage
from p4d.versioning.state.plan import make_plan
from p4d.versioning.state.workspace import status

FIGURES = RESULTS / "durability.json"
CLIPS = 10_000
KILLS = ("kills", "torn", "lost", "byte_equal", "kills_detail")


def measure_kills(kills: int, seed: int) -> dict[str, Any]:
    from tests.durability.kills import run_kills

    with tempfile.TemporaryDirectory(prefix="p4d-kills-") as folder:
        started = time.monotonic()
        tally = run_kills(
            Path(folder), kills, seed,
            progress=lambda t: click.echo(f"{t.kills} kills, {len(t.problems)} problems", err=True),
        )  # fmt: skip
        wall_s = time.monotonic() - started
    found = tally.to_json()
    return {
        **{key: found.pop(key) for key in KILLS[:-1]},
        "kills_detail": {**found, "seeds": [seed], "wall_s": round(wall_s)},
    }


def _added(before: Any, more: Any) -> Any:
    """Merge two results of kills: numbers are added, lists joined, and flags must hold in both."""
    if isinstance(more, dict):
        either = {**before, **more}
        both = before.keys() & more.keys()
        return {k: _added(before[k], more[k]) if k in both else v for k, v in either.items()}
    return before and more if isinstance(more, bool) else before + more


def measure_publish(counts: list[int]) -> dict[str, Any]:
    """Return seconds from a request to its record, minus the stage's own, in a warm process."""
    medians = {}
    for shards in counts:
        with tempfile.TemporaryDirectory(prefix="p4d-publish-") as folder:
            project = stages_project.make(Path(folder) / "project", shards)
            spent = []
            for number in range(12):
                shard = project.shards()[number % shards]
                started = time.perf_counter()
                made = run_stage(
                    project, ArtifactKey("clips", shard), run_id="b", force=True, gates={},
                )  # fmt: skip
                spent.append(time.perf_counter() - started - made.cost["wall_s"])
            medians[str(shards)] = round(statistics.median(spent[2:]), 3)
            click.echo(f"{shards} shards: {medians[str(shards)]} s", err=True)
    figure = {"publish_s_by_shards": medians}
    return {**figure, **({"publish_s": medians["100"]} if "100" in medians else {})}


def noop(root: Path) -> None:
    """Run the checks of `make up` on a project that is up to date."""
    project = stages_project.open_project(root)
    recover(project)
    plan = make_plan(project, gates={}, checks_version="")
    stale = [item.key for item in status(project) if item.state != "fresh"]
    assert not plan.wanted and not stale, (plan.wanted, stale)
    assert is_anchored(project)


def measure_noop(clips: int) -> dict[str, Any]:
    """Return wall seconds of a separate process, interpreter start included; median of three."""
    per_shard = Project(CHECKOUT).params.landing.max_clips_per_shard
    with tempfile.TemporaryDirectory(prefix="p4d-noop-") as folder:
        shards = -(-clips // per_shard)
        root = stages_project.make(Path(folder) / "project", shards, files=per_shard // 2).root
        code = (
            "from benchmarks.speed.durability import noop; "
            "from pathlib import Path; noop(Path.cwd())"
        )
        environment = {**os.environ, "PYTHONPATH": f"{root}:{CHECKOUT}"}
        walls = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=root)
            walls.append(time.perf_counter() - started)
    return {"noop_s": round(statistics.median(walls), 2), "noop_shards": shards}


def measure_verify(mebibytes: int) -> dict[str, Any]:
    """Return the speed of verification over that of `md5sum` with one process per core."""
    with tempfile.TemporaryDirectory(prefix="p4d-verify-") as folder:
        nbytes = 4 << 20
        shards = max(1, mebibytes // (2 * 4 * 26))  # 18 + 8 files per shard, each also cached
        root = stages_project.make(Path(folder) / "project", shards, files=8, nbytes=nbytes).root
        cores = str(os.cpu_count())
        find = ["find", "data", ".dvc/cache/files", "-type", "f", "-print0"]
        ratios = []
        for _ in range(3):
            started = time.perf_counter()
            files = subprocess.run(find, cwd=root, check=True, capture_output=True).stdout
            subprocess.run(
                ["xargs", "-0", "-P", cores, "-n", "8", "md5sum"],
                input=files, cwd=root, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            raw_s = time.perf_counter() - started
            started = time.perf_counter()
            report = verify(stages_project.open_project(root))
            ours_s = time.perf_counter() - started
            assert report.ok, report.render_text()
            ratios.append(raw_s / ours_s)
        speed = report.nbytes / 2**20 / ours_s
    return {
        "verify_ratio": round(statistics.median(ratios), 2),
        "verify_detail": {"mib": report.nbytes >> 20, "mib_per_s": round(speed)},
    }


@click.command()
@click.argument("what", type=click.Choice(["kills", "publish", "noop", "verify", "all"]))
@click.option("--kills", default=200, show_default=True, help="Processes to kill.")
@click.option("--seed", default=1, show_default=True, help="Of the kills.")
@click.option("--more", is_flag=True, help="Add the kills to the recorded ones of other seeds.")
@click.option("--shards", default="10,100,1000", show_default=True, help="Sizes for publish.")
@click.option("--clips", default=CLIPS, show_default=True, help="Size for noop.")
@click.option("--mib", default=1024, show_default=True, help="Data for verify.")
@click.option("--keep/--print", default=True, help="Merge into the results, or only print.")
def main(
    what: str,
    kills: int,
    seed: int,
    more: bool,
    shards: str,
    clips: int,
    mib: int,
    keep: bool,
) -> None:
    measured: dict[str, Any] = {}
    if what in ("publish", "all"):
        measured |= measure_publish([int(n) for n in shards.split(",")])
    if what in ("noop", "all"):
        measured |= measure_noop(clips)
    if what in ("verify", "all"):
        measured |= measure_verify(mib)
    if what in ("kills", "all"):
        measured |= measure_kills(kills, seed)
    if keep:
        known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        if more and "kills" in measured:
            measured |= {key: _added(known[key], measured[key]) for key in KILLS}
        write_json(FIGURES, {**known, **measured, "machine": describe(CHECKOUT)})
    click.echo(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
