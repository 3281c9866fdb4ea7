"""Times the whole pipeline: `make bench`, after `make demo`.

Wall time per asset comes from the ledger of this checkout. The rest is measured now: whole
processes, several runs, the median.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from benchmarks.machine import describe
from p4d.artifacts import write_json
from p4d.project import Project
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import status


def timed(command: list[str], root: Path, runs: int = 3) -> float:
    """Return the median wall seconds of a whole process, which must succeed."""
    walls = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        walls.append(time.perf_counter() - started)
    return round(statistics.median(walls), 3)


def wall_per_asset(project: Project) -> dict[str, float]:
    """Return seconds of the latest materialization of every stage, summed over shards."""
    latest = {}
    for record in Ledger(project).records():
        if record["kind"] == "materialization":
            latest[record["stage"], record["shard"]] = record["cost"]["wall_s"]
    walls: dict[str, float] = defaultdict(float)
    for (stage, _), wall_s in latest.items():
        walls[stage] += wall_s
    return {stage: round(wall_s, 2) for stage, wall_s in walls.items()}


def publish_overhead(project: Project) -> dict[str, float]:
    """Return seconds from start to record minus the stage's own, over all materializations."""
    spent = [
        (datetime.fromisoformat(r["at"]) - datetime.fromisoformat(r["started"])).total_seconds()
        - r["cost"]["wall_s"]
        for r in Ledger(project).records("materialization")
    ]
    return {
        "materializations": len(spent),
        "median": round(statistics.median(spent), 3),
        "max": round(max(spent), 3),
    }


def main() -> None:
    project = Project.find()
    if any(item.state != "fresh" for item in status(project)):
        sys.exit("Some artifacts are not fresh: run `make demo` first.")
    python = sys.executable
    load = "import dagster_project.definitions"
    figures = {
        "machine": describe(project.root),
        "wall_s": wall_per_asset(project),
        "publish_overhead_s": publish_overhead(project),
        "noop_demo_s": timed([python, "-m", "dagster_project", "demo"], project.root),
        "import_p4d_s": timed([python, "-c", "import p4d"], project.root),
        "bare_python_s": timed([python, "-c", "pass"], project.root),
        "load_code_location_s": timed([python, "-c", load], project.root),
        "dvc_status_s": timed([str(Path(python).with_name("dvc")), "status"], project.root),
        "audit_verify_s": timed([python, "-m", "p4d.cli", "audit", "verify"], project.root),
    }
    path = project.root / "benchmarks" / "results" / "spine.json"
    write_json(path, figures)
    for name, value in figures.items():
        if name != "machine":
            print(name, value)


if __name__ == "__main__":
    main()
