"""Runs batches of stages as Dagster runs, in this process, with progress on standard error.

Neighbouring shards that need the same stages are one run of many partitions, which makes as many
side by side as `compute.yaml` allows. A shard that fails a blocking check stops only its own
descendants; the rest is run, and the failures are returned.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import dagster as dg

from dagster_project.build import build_defs
from dagster_project.dagster_internals import run_here
from dagster_project.dead_runs import PROCESS_TAG, end_dead_runs, process_identity
from dagster_project.home import definitions_module
from dagster_project.jobs import job_of
from dagster_project.partitions import sync_shards
from dagster_project.resources import StageRunner
from dagster_project.run_plan import PlannedRun, runs_of
from dagster_project.shards.definition import SHARD_OP
from dagster_project.shards.failures import failures_of
from dagster_project.shards.workers import ShardWorkers
from dagster_project.slots import wait_for_slots
from dagster_project.todo import StepFailure
from p4d.project import Project
from p4d.versioning.state.plan import Batch

# Progress goes to the terminal through `StageRunner`; Dagster's own log goes to the instance.
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def materialize(
    project: Project,
    batches: Sequence[Batch],
    instance: dg.DagsterInstance,
    *,
    force: bool = False,
    stage_runner: StageRunner | None = None,
    shard_workers: ShardWorkers | None = None,
) -> list[StepFailure]:
    """Run the batches, in order; returns what failed.

    Args:
        project: whose stages.
        batches: what to run.
        instance: keeps the runs.
        force: compute although nothing changed.
        stage_runner: runs the stages; by default one that reports progress on standard error.
        shard_workers: runs those per shard; they are ended once none of these is left.
    """
    runner = stage_runner or StageRunner(root=str(project.root), progress_to_terminal=True)
    workers = shard_workers or ShardWorkers()
    definitions = build_defs(project, stage_runner=runner, shard_workers=workers)
    module = definitions_module(project)
    sync_shards(instance, project)
    for run_id in end_dead_runs(instance):
        _print(f"      run {run_id[:8]} was killed; its slots are free again")
    total, done, failures = sum(len(b.stages) for b in batches), 0, []
    runs = runs_of(batches, list(instance.get_dynamic_partitions("shards")))
    for number, each in enumerate(runs):
        if not any(later.shards for later in runs[number:]):
            workers.end()
        title = each.title
        wait_for_slots(instance, each.stages, _print)
        _print(f"[{done:>3}/{total}] {title}: {', '.join(each.stages)}")
        started = time.monotonic()
        job = definitions.resolve_job_def(job_of(each.stages))
        failed = list(
            _run(job, each, instance, module=module, force=force, run_id=workers.run_id_of(each))
        )
        failures += failed
        done += len(each.stages) * max(1, len(each.shards))
        outcome = "; ".join(_ended(each, f) for f in failed) or "ok"
        _print(f"[{done:>3}/{total}] {title}: {outcome} in {time.monotonic() - started:.1f} s")
    return failures


def _ended(planned: PlannedRun, failed: StepFailure) -> str:
    """One failed step, in the line that ends the run."""
    where = f" ({failed.shard})" if failed.shard and len(planned.shards) > 1 else ""
    return f"{failed.step}{where} FAILED"


def _run(
    job: dg.JobDefinition,
    planned: PlannedRun,
    instance: dg.DagsterInstance,
    *,
    module: str,
    force: bool,
    run_id: str | None,
) -> Iterator[StepFailure]:
    ops = [SHARD_OP] if planned.shards else planned.stages
    result = run_here(
        job,
        instance,
        module=module,
        run_id=run_id,
        assets=planned.stages,
        run_config={
            "loggers": _QUIET,
            "ops": {name: {"config": {"force": force}} for name in ops},
        },
        tags={
            **planned.tags,
            # A person started it, and starts it again.
            "dagster/max_retries": "0",
            # From the first event on, so that a run that dies before its first step is found too.
            PROCESS_TAG: process_identity(),
        },
    )
    for event in result.all_events:
        if event.is_step_failure:
            # A step that recorded no artifact stopped for all of its shards.
            shard = planned.shards[0] if len(planned.shards) == 1 else None
            yield from _step_failures(event, shard)


def _step_failures(event: dg.DagsterEvent, shard: str | None) -> Iterator[StepFailure]:
    """What stopped each artifact of the step, or what ended the step."""
    failures = failures_of(event)
    for failure in failures:
        check = f": check {failure.check}" if failure.check else ""
        yield StepFailure(
            step=f"{failure.key.stage}{check}", shard=failure.key.shard, reason=failure.reason
        )
    if not failures:
        yield StepFailure(step=event.step_key or "?", shard=shard, reason=_why(event))


def _why(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error_display_string if data.error else "no reason given"


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
