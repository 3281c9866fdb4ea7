"""Schedules: retraining once a week, an audit and a clean-up every night."""

from __future__ import annotations

import dagster as dg

from dagster_project.jobs import audit_job, prune_job, retrain, retraining


@dg.schedule(
    job=retrain,
    cron_schedule="0 3 * * 1",
    description="Retrains on Mondays at 03:00, unless a run retrains already; steps whose inputs "
    "are unchanged are skipped.",
)
def retrain_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request one run a week."""
    if run := retraining(context.instance):
        return dg.SkipReason(f"run {run} retrains")
    return dg.RunRequest(run_key=f"weekly {context.scheduled_execution_time:%Y-%m-%d}")


audit_nightly = dg.ScheduleDefinition(
    name="audit_nightly",
    job=audit_job,
    cron_schedule="30 2 * * *",
    description="Verifies all artifacts against the ledger every night at 02:30.",
)

prune_nightly = dg.ScheduleDefinition(
    name="prune_nightly",
    job=prune_job,
    cron_schedule="30 4 * * *",
    description="Removes runs that are older than 90 days from Dagster's history, at 04:30.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

SCHEDULES = [retrain_weekly, audit_nightly, prune_nightly]
