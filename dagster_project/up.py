"""Brings a project up to date: makes what is not fresh, reports what Dagster missed."""

from __future__ import annotations

from collections.abc import Callable

from dagster_project.batches import materialize
from dagster_project.dead_runs import end_dead_runs
from dagster_project.home import open_instance
from dagster_project.partitions import sync_shards
from dagster_project.reconcile import report_unreported
from dagster_project.resources import StageRunner
from dagster_project.shards.workers import ShardWorkers
from dagster_project.todo import NOTHING, StepFailure, Todo
from p4d.errors import HistoryError, P4DError
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.continuity import is_anchored

Say = Callable[[str], None]
"""Takes one line of progress."""


def bring_up_to_date(
    todo: Todo,
    *,
    say: Say = print,
    note: Say = print,
    stage_runner: StageRunner | None = None,
    shard_workers: ShardWorkers | None = None,
) -> list[StepFailure]:
    """Make every artifact that is not fresh, report published versions, anchor the ledger.

    Args:
        todo: what to do, as `dagster_project.todo.look` found it.
        say: takes the result.
        note: takes progress.
        stage_runner: runs the stages; see `dagster_project.batches.materialize`.
        shard_workers: runs those per shard.

    Raises:
        HistoryError: the ledger was rewritten meanwhile.

    Returns:
        Failed steps and checks, and artifacts that a check blocks.
    """
    project, wanted = todo.project, todo.wanted
    with open_instance(project) as instance:
        sync_shards(instance, project)
        reported = report_unreported(
            instance,
            project,
            fresh={ArtifactKey.parse(name): known for name, known in todo.plan.versions.items()},
            only=todo.only,
            leave_out=todo.plan.wanted,
        )
        if reported:
            note(f"New to Dagster: {len(reported)} published version(s)")
        if not wanted and not reported and not todo.blocked:
            say(NOTHING)
        failures: list[StepFailure] = []
        if wanted:
            failures = materialize(
                project,
                todo.batches,
                instance,
                stage_runner=stage_runner,
                shard_workers=shard_workers,
            )
        else:
            end_dead_runs(instance)
    if not wanted:
        todo.mark_reported()
        if not reported and is_anchored(project):
            return todo.blocked
    try:
        anchor(project, "bring artifacts up to date")
    except HistoryError:
        raise
    except (P4DError, OSError) as error:
        note(f"The ledger is not anchored in git: {error}")
    return [*todo.blocked, *failures]
