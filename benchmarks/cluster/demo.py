"""`make cluster-demo`: the demo's per-shard stages on three Ray nodes, over S3, with PostgreSQL.

Two clones of this checkout get the same inbox. One is brought up to date on this machine alone; the
other on a Ray cluster whose nodes share nothing but the object store. The artifacts must be equal,
byte by byte. The ledger and the records of the store then give the costs of a task.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.cluster.farm import Farm, driver_environment, farm, run_in
from benchmarks.machine import CHECKOUT
from p4d.versioning.files.hashes import tree_of, walk_files

STAGES = ("expert_worlds", "expert", "videos", "clips", "labels", "regions", "facts", "questions")
NODES = 3
_UP = ("-m", "dagster_project", "up", *(word for name in STAGES for word in ("--only", name)))

_LAND = """
import sys
from pathlib import Path
from p4d.project import Project
from p4d.video.landing import land
from p4d.video.sources import add_damaged_videos
from p4d.worlds.corpus import write_corpus
from p4d.config.params import replace_params

project = Project(Path(sys.argv[1]))
params = replace_params(project.params, worlds={"videos": int(sys.argv[2])})
made = write_corpus(project.inbox, params.worlds, progress=lambda *_: None)
add_damaged_videos(project.inbox, made[0])
print(land(project).summary())
"""


def cluster_demo(folder: Path, *, videos: int) -> dict[str, Any]:
    """Run both and compare; returns the figures of `scale.json` under `ray`.

    Raises:
        RuntimeError: a run failed, or an artifact differs.
    """
    local, far = folder / "local", folder / "far"
    _clone(local)
    print(
        run_in(local, "-c", _LAND, str(local), str(videos), environment=driver_environment(local))
    )
    _clone(far)
    for name in ("inbox", "shards"):
        subprocess.run(["cp", "-r", f"{local / name}/.", str(far / name)], check=True)
    begun = time.monotonic()
    run_in(local, *_UP, environment=driver_environment(local))
    local_s = time.monotonic() - begun
    print(f"on this machine alone: {local_s:.1f} s")
    with farm(folder / "farm", far, nodes=NODES) as around:
        around.configure(workers=NODES)
        begun = time.monotonic()
        run_in(far, *_UP, environment=around.environment())
        far_s = time.monotonic() - begun
        print(f"on {NODES} nodes of a Ray cluster: {far_s:.1f} s")
        figures = _figures(around, local_s, far_s)
    different = differences(local, far)
    if different:
        raise RuntimeError(f"not equal: {', '.join(different[:5])}")
    print(f"equal, byte by byte: {len(artifacts(far))} files of {figures['tasks']} tasks")
    return figures


def artifacts(root: Path) -> dict[str, str]:
    """MD5 of each file of the artifacts of a checkout, the ledger left out: it has times."""
    home = root / "data"
    stages = [path for path in sorted(home.iterdir()) if path.name != "ledger"]
    return {
        f"{stage.name}/{name}": digest.md5
        for stage in stages if any(walk_files(stage))
        for name, digest in tree_of(stage).files.items()
    }  # fmt: skip


def differences(one: Path, other: Path) -> list[str]:
    """Files that are not equal in two checkouts."""
    first, second = artifacts(one), artifacts(other)
    return sorted(n for n in {*first, *second} if first.get(n) != second.get(n))


def _clone(root: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "checkout", "--quiet", "-B", "main"], check=True)
    (root / "inbox").mkdir(exist_ok=True)


def _figures(around: Farm, local_s: float, far_s: float) -> dict[str, Any]:
    lines = (around.root / "data" / "ledger" / "ledger.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in lines.splitlines()]
    made = [each for each in records if each["kind"] == "materialization"]
    assert all(each["computed_on"]["engine"] == "ray" for each in made), "all ran on the cluster"
    overheads = [_wall_s(each) - each["cost"]["wall_s"] for each in made]
    results = sorted((around.root.parent / "farm" / "s3" / "data").rglob("results/*.json"))
    moved = [json.loads(path.read_text(encoding="utf-8"))["moved"] for path in results]
    shards = sorted({each["shard"] for each in made if each["shard"]})
    moved_bytes = sum(each["fetched_bytes"] + each["sent_bytes"] for each in moved)
    seconds = [each["fetch_s"] + each["send_s"] for each in moved]
    return {
        "nodes": NODES,
        "shards": len(shards),
        "tasks": len(made),
        "stage_s": round(sum(each["cost"]["wall_s"] for each in made), 2),
        "overhead_per_task_s": round(statistics.median(overheads), 3),
        "overhead_per_task_max_s": round(max(overheads), 3),
        "transfer_per_task_s": round(statistics.median(seconds), 3),
        "worker_bytes_per_shard": moved_bytes // max(1, len(shards)),
        "artifact_bytes_per_shard": sum(e["nbytes"] for e in made if e["shard"]) // len(shards),
        "local_wall_s": round(local_s, 1),
        "cluster_wall_s": round(far_s, 1),
        "equal": True,
        "command": f"{Path(sys.executable).name} -m benchmarks.cluster demo",
    }


def _wall_s(record: dict[str, Any]) -> float:
    """From the start of an artifact to its record, by the driver's clock."""
    began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "ended"))
    return (ended - began).total_seconds()
