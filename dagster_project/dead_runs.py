"""Ends runs whose process was killed, so that their pool slots are free again.

A killed process leaves its run in the state STARTED, with its slot of a pool: every later run that
needs the pool would wait for ever. Dagster's run monitoring does not help, as its default launcher
reports no health of a started run.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import dagster as dg

from dagster_project.dagster_internals import free_pool_slots

PROCESS_TAG = ".dagster/p4d_process"
"""On every started run; the prefix hides it in the lists of the UI."""
OLD_PROCESS_TAG = "p4d/process"  # of runs that an earlier version started


def process_identity(pid: int | None = None) -> str:
    """`PID START HOST`; the start time distinguishes a later process with the same number (Linux).

    The host is named because several machines may share an instance on PostgreSQL.
    """
    pid, host = pid or os.getpid(), socket.gethostname()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return f"{pid} gone {host}"
    return f"{pid} {fields[19]} {host}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report started runs as failed if their process no longer exists; returns their ids.

    Only runs of this machine: of others it cannot be known here. Their own daemon ends them.
    """
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        identity = run.tags.get(PROCESS_TAG) or run.tags.get(OLD_PROCESS_TAG)
        if identity and _is_gone(identity):
            instance.report_run_failed(run, "its process no longer exists")
            free_pool_slots(instance, run.run_id)
            dead.append(run.run_id)
    return dead


def _is_gone(identity: str) -> bool:
    """Whether the process of a run was one of this machine and is no more."""
    pid, start, *host = identity.split(maxsplit=2)
    now = process_identity(int(pid)).split(maxsplit=2)
    # Runs that an earlier version started name no host: they were of this one.
    return (not host or host[0] == now[2]) and start != now[1]
