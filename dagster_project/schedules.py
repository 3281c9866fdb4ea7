"""Schedules: retraining and auditing by the clock; both are no-ops when nothing changed."""

from __future__ import annotations

import dagster as dg

from dagster_project.jobs import audit_job, retrain

retrain_weekly = dg.ScheduleDefinition(
    name="retrain_weekly",
    job=retrain,
    cron_schedule="0 3 * * 1",
    description="Mondays at 03:00; steps whose inputs are unchanged skip.",
)
audit_nightly = dg.ScheduleDefinition(
    name="audit_nightly", job=audit_job, cron_schedule="30 2 * * *", description="Every night."
)

SCHEDULES = [retrain_weekly, audit_nightly]
