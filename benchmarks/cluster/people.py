"""Several people on one Dagster instance: processes that run and record at the same time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.cluster.servers import postgres_server
from benchmarks.machine import CHECKOUT

PEOPLE, RUNS_EACH = 4, 10

_PERSON = """
import sys
from pathlib import Path
import dagster as dg
from dagster_project.home import open_instance
from p4d.project import Project

@dg.asset
def made():
    return dg.MaterializeResult(data_version=dg.DataVersion("md5:" + sys.argv[2]))

with open_instance(Project(Path(sys.argv[1]))) as instance:
    for _ in range(int(sys.argv[3])):
        assert dg.materialize([made], instance=instance).success
"""


def several_people(folder: Path) -> dict[str, Any]:
    """Figures of `scale.json` under `postgres`: all runs, and how many were under way at once."""
    project = folder / "project"
    project.mkdir(parents=True)
    (project / "dagster.yaml").write_bytes((CHECKOUT / "dagster.yaml").read_bytes())
    with postgres_server(folder / "postgres") as (_, url):
        environment = {
            **os.environ, "P4D_DAGSTER_POSTGRES_URL": url, "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        begun = time.monotonic()
        people = [
            subprocess.Popen(
                [sys.executable, "-c", _PERSON, str(project), str(number), str(RUNS_EACH)],
                env=environment, stderr=subprocess.DEVNULL,
            )
            for number in range(PEOPLE)
        ]  # fmt: skip
        codes = [person.wait() for person in people]
        wall_s = time.monotonic() - begun
        import psycopg2

        with contextlib.closing(psycopg2.connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT status, start_time, end_time FROM runs")
            rows = cursor.fetchall()
    succeeded = [(start, end) for status, start, end in rows if status == "SUCCESS"]
    return {
        "processes": PEOPLE,
        "failed_processes": sum(code != 0 for code in codes),
        "runs": len(succeeded),
        "concurrent": max(sum(s <= start < e for s, e in succeeded) for start, _ in succeeded),
        "wall_s": round(wall_s, 1),
        "command": f"{Path(sys.executable).name} -m benchmarks.cluster postgres",
    }
