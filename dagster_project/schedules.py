"""Schedules: retraining once a week and an audit every night. Unchanged steps are skipped."""

from __future__ import annotations

import dagster as dg

from dagster_project.jobs import audit_job, retrain

retrain_weekly = dg.ScheduleDefinition(
    name="retrain_weekly",
    job=retrain,
    cron_schedule="0 3 * * 1",
    description="Retrains on Mondays at 03:00; steps whose inputs are unchanged are skipped.",
)
audit_nightly = dg.ScheduleDefinition(
    name="audit_nightly",
    job=audit_job,
    cron_schedule="30 2 * * *",
    description="Verifies all artifacts against the ledger every night at 02:30.",
)

SCHEDULES = [retrain_weekly, audit_nightly]
