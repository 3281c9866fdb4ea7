"""Slots: at most one run labels and at most one run trains, side by side.

A pool belongs to a whole run (`granularity: run` in dagster.yaml). The queue starts a run when each
of its pools has a free slot. Until then the run is QUEUED: it has no process, and can be cancelled.
A run in the terminal has no queue, so it waits for its slots here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import dagster as dg

from dagster_project.dead_runs import end_dead_runs
from p4d.pipeline import Stage, stage_named

LABELLING, TRAINING = "labelling", "training"

_RUNNING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])


def pool_of(stage: Stage) -> str:
    """`labelling` for a per-shard stage, `training` for the expert and from the release on."""
    return LABELLING if stage.per_shard else TRAINING


def wait_for_slots(
    instance: dg.DagsterInstance,
    stages: Collection[str],
    note: Callable[[str], None],
    *,
    pause_s: float = 2.0,
) -> None:
    """Return when no other run occupies the pools of `stages`; runs of dead processes do not count.

    Args:
        instance: whose runs.
        stages: names of the stages that are about to run.
        note: called once, with the runs that are waited for.
        pause_s: seconds between two queries.
    """
    pools = {pool_of(stage_named(name)) for name in stages}
    noted = False
    while occupied := _runs_in(instance, pools):
        if not noted:
            note(f"      waiting for {', '.join(sorted(pools))}: run {', '.join(occupied)}")
            noted = True
        time.sleep(pause_s)
        end_dead_runs(instance)


def _runs_in(instance: dg.DagsterInstance, pools: Collection[str]) -> list[str]:
    found = []
    for run in instance.get_runs(_RUNNING):
        held = run.run_op_concurrency.all_pools if run.run_op_concurrency else None
        if held and held & set(pools):
            found.append(run.run_id[:8])
    return found
