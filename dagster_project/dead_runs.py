"""Runs whose process is gone: ended for Dagster too, so that their pool slots are free again.

A killed process leaves its run as started and keeps its slot of a pool; every later run that wants
the pool would wait for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

PROCESS_TAG = "p4d/process"


def process_identity(pid: int | None = None) -> str:
    """`PID START`: START tells a process from a later one with the same number (Linux)."""
    pid = pid or os.getpid()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{pid} gone"
    return f"{pid} {fields[19]}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report started runs as failed whose process is gone; returns their ids."""
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        identity = run.tags.get(PROCESS_TAG)
        if identity and process_identity(int(identity.split()[0])) != identity:
            instance.report_run_failed(run, "its process is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead
