"""Brings a project up to date: makes what is not fresh, reports what Dagster missed."""

from __future__ import annotations

from collections.abc import Callable, Collection

from dagster_project.batches import StepFailure, materialize
from dagster_project.dead_runs import end_dead_runs
from dagster_project.home import open_instance
from dagster_project.partitions import sync_shards
from dagster_project.reconcile import report_unreported
from dagster_project.resources import StageRunner
from p4d.errors import HistoryError, P4DError
from p4d.project import Project
from p4d.versioning.ledger.adopt import left_behind
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.continuity import is_anchored, require_continued
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.check_records import refresh_blocked
from p4d.versioning.state.plan import in_order, make_plan

Say = Callable[[str], None]
"""Takes one line of progress."""


def bring_up_to_date(
    project: Project,
    *,
    only: Collection[str] | None = None,
    say: Say = print,
    note: Say = print,
    stage_runner: StageRunner | None = None,
) -> list[StepFailure]:
    """Make every artifact that is not fresh, report published versions, anchor the ledger.

    Args:
        project: what to bring up to date.
        only: names of stages; all others are left as they are.
        say: takes the result.
        note: takes progress.
        stage_runner: runs the stages; see `dagster_project.batches.materialize`.

    Raises:
        HistoryError: the ledger or its branch was rewritten, or this is a clone without it; nothing
            is made.

    Returns:
        Failed steps and checks, and artifacts that a check blocks.
    """
    recover(project)  # also if nothing is to be made
    require_continued(project)
    if missing := left_behind(project):
        raise HistoryError(missing)
    refresh_pipeline_files(project)
    refresh_blocked(project)
    plan = make_plan(project)
    blocked = [
        StepFailure(step=str(key), reason=f"blocked: {why}") for key, why in plan.blocked.items()
    ]
    wanted = {each for each in plan.wanted if only is None or each.stage in only}
    with open_instance(project) as instance:
        sync_shards(instance, project)
        reported = report_unreported(instance, project, only=only, leave_out=plan.wanted)
        if reported:
            note(f"New to Dagster: {len(reported)} published version(s)")
        if not wanted and not reported and not blocked:
            say("Nothing to do: every artifact matches its code, parameters and inputs.")
        failures: list[StepFailure] = []
        if wanted:
            batches = in_order(project, wanted)
            failures = materialize(project, batches, instance, stage_runner=stage_runner)
        else:
            end_dead_runs(instance)
            if not reported and is_anchored(project):
                return blocked
    try:
        anchor(project, "bring artifacts up to date")
    except HistoryError:
        raise
    except (P4DError, OSError) as error:
        note(f"The ledger is not anchored in git: {error}")
    return [*blocked, *failures]
