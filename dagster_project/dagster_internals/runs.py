"""Slots of runs, and runs of this process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
import sqlalchemy

from dagster_project.dagster_internals.sqlite import commit_without_flush, kept_open


def free_pool_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Free the slots of pools that a run holds."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def initialize_pools(instance: dg.DagsterInstance, pools: Collection[str]) -> None:
    """Give each pool without a limit of its own the default limit of the instance.

    The queue does so itself, but only after it has started the first runs without a limit.
    """
    try:
        _initialize_pools(instance, pools)
    except sqlalchemy.exc.DBAPIError:
        # Two processes at the same row: on PostgreSQL Dagster's insert then fails as a whole.
        _initialize_pools(instance, pools)


def _initialize_pools(instance: dg.DagsterInstance, pools: Collection[str]) -> None:
    storage = instance.event_log_storage
    default = instance.global_op_concurrency_default_limit
    limits = {limit.name: limit for limit in storage.get_pool_limits()}
    for pool in pools:
        known = limits.get(pool)
        if known is None or (known.from_default and known.limit != default):
            storage.initialize_concurrency_limit_to_default(pool)


def run_here(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    module: str,
    assets: Collection[str],
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
    run_id: str | None = None,
) -> dg.ExecutionResult:
    """Run some assets of a job in this process, as a run of a code location.

    `JobDefinition.execute_in_process` names no code location in the run. The UI leaves such a run
    out of its first page, and cannot execute it again.

    Args:
        job: of the code location; its executor must run in this process.
        instance: keeps the run.
        module: the code location.
        assets: names of the assets to make; their checks run with them.
        run_config: of the run.
        tags: of the run; with the partition, if there is one.
        run_id: default: a new one.
    """
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run
    from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
    from dagster._core.workspace.load_target import ModuleTarget

    commit_without_flush()
    target = ModuleTarget(module, attribute=None, working_directory=None, location_name=None)
    (location,) = target.create_origins()
    selected = {dg.AssetKey(name) for name in assets}
    subset = InMemoryJob(job.get_subset(asset_selection=selected))
    with kept_open(instance):
        run = instance.create_run_for_job(
            job,
            run_id=run_id,
            run_config=run_config,
            tags=tags,
            asset_selection=selected,
            remote_job_origin=RemoteJobOrigin(
                RemoteRepositoryOrigin(location, "__repository__"), job.name
            ),
        )
        return execute_run(subset, run, instance, raise_on_error=False)
