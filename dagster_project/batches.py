"""Run batches of stages through Dagster, in one process, with progress on the terminal.

A shard that fails a gate stops only its own descendants; the rest goes on and the failure is told
at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from dagster_project.dead_runs import PROCESS_TAG, end_dead_runs, process_identity
from dagster_project.definitions import defs
from dagster_project.partitions import sync_shards
from dagster_project.project import project
from p4d.versioning.state.plan import Batch

# The steps speak through `progress_to_terminal`; Dagster's own log goes to the instance.
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def materialize(
    batches: Sequence[Batch], instance: dg.DagsterInstance, *, force: bool = False
) -> list[Failed]:
    """Run the batches as Dagster runs; progress goes to standard error."""
    sync_shards(instance, project())
    for run_id in end_dead_runs(instance):
        _say(f"      run {run_id[:8]} was killed; its place in the queue is free again")
    total, done, failures = sum(len(b.stages) for b in batches), 0, []
    for batch in batches:
        title = f"shard {batch.shard}" if batch.shard else "all shards"
        _say(f"[{done:>3}/{total}] {title}: {', '.join(batch.stages)}")
        started = time.monotonic()
        failed = list(_run(batch, instance, force=force))
        failures += failed
        done += len(batch.stages)
        outcome = "; ".join(f"{f.step} FAILED" for f in failed) or "ok"
        _say(f"[{done:>3}/{total}] {title}: {outcome} in {time.monotonic() - started:.1f} s")
    return failures


def _run(batch: Batch, instance: dg.DagsterInstance, *, force: bool) -> Iterator[Failed]:
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        partition_key=batch.shard,
        asset_selection=[dg.AssetKey(name) for name in batch.stages],
        run_config={
            "loggers": _QUIET,
            "resources": {"workspace": {"config": {"force": force, "progress_to_terminal": True}}},
        },
        raise_on_error=False,
        # From its first event on: a run that dies before its first step is found dead as well.
        tags={"p4d/driver": "true", PROCESS_TAG: process_identity()},
    )
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            yield Failed(
                step=f"{check.asset_key.to_user_string()}: gate {check.check_name}",
                shard=batch.shard,
                reason=_in_words(check),
                by_gate=True,
            )
    for event in result.all_events:
        if event.is_step_failure and not _is_gate(event):
            yield Failed(step=event.step_key or "?", shard=batch.shard, reason=_why(event))


def _in_words(check: dg.AssetCheckEvaluation) -> str:
    found = {name: value.value for name, value in check.metadata.items() if name != "judged"}
    return f"{check.description} Found: {found}"


def _is_gate(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _why(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return data.error_display_string if data.error else "no reason given"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A step or a gate that failed, with the library's message."""

    step: str
    reason: str
    shard: str | None = None
    by_gate: bool = False
