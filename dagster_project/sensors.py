"""Sensors: they land new videos, report what Dagster missed, and request runs.

A sensor asks its resources for the project, and keeps nothing between ticks but its cursor.
"""

import json
from collections.abc import Iterator

import dagster as dg

from dagster_project.alerts import needs_attention, report_alerts
from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import label_backfill, retrain
from dagster_project.partitions import sync_shards
from dagster_project.reconcile import report_changes, report_unreported
from dagster_project.resources import Inbox, StageRunner
from p4d.errors import HistoryError
from p4d.project import Project
from p4d.quality.drift import measure_drift
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger

# A report draws a picture, in up to a second; Dagster stops a tick after 60 s.
_REPORTS_PER_TICK = 30


@dg.sensor(
    job=label_backfill,
    minimum_interval_seconds=30,
    description="Lands new files of the inbox as a closed shard, and requests label_backfill once "
    "for each shard without recorded videos. Automation never requests a new shard.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, inbox: Inbox, stage_runner: StageRunner
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Land new files; request one run per shard whose videos are not recorded."""
    report = inbox.land()
    project = stage_runner.project
    sync_shards(context.instance, project)
    ledger = Ledger(project)
    # From the ledger and not from the report, so that a lost request is made again. Dagster starts
    # a run key once.
    waiting = [
        shard
        for shard in project.shards()
        if ledger.index().latest(ArtifactKey("videos", shard)) is None
    ]
    if not waiting:
        yield dg.SkipReason(report.summary())
    for shard in waiting:
        yield dg.RunRequest(run_key=shard, partition_key=shard)


@dg.sensor(
    minimum_interval_seconds=60,
    description="Reports published versions, and changes on disk, that Dagster has no event for; "
    "keeps partitions equal to the closed shards; ends dead runs; commits the ledger to the branch "
    "p4d-ledger. Requests no run.",
)
def reconcile_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> dg.SkipReason:
    """Bring partitions, runs and events in line with what is published; anchor the ledger."""
    project = stage_runner.project
    sync_shards(context.instance, project)
    end_dead_runs(context.instance)
    done = []
    try:
        _anchor_news(context, project)
    except HistoryError as error:  # a tick that fails would report nothing else
        context.log.error(str(error))
        done.append(f"The ledger is not anchored: {error}")
    if context.repository_def:
        graph = context.repository_def.asset_graph
        for changed in report_changes(context.instance, graph, project):
            reasons = "; ".join(changed.reasons)
            context.log.warning(f"{changed.key} is {changed.state}: {reasons}")
            done.append(f"{changed.key} is {changed.state}")
    for key in report_unreported(context.instance, project, limit=_REPORTS_PER_TICK):
        context.log.info(f"reported the published version of {key}")
        done.append(f"reported {key}")
    return dg.SkipReason("\n".join(done) or "Every published version is reported")


def _anchor_news(context: dg.SensorEvaluationContext, project: Project) -> None:
    """Commit the ledger if it has grown since the last tick."""
    path = Ledger(project).path
    size = str(path.stat().st_size) if path.exists() else "0"
    if size != context.cursor:
        anchor(project, "artifacts as published")
        context.update_cursor(size)


@dg.sensor(
    minimum_interval_seconds=60,
    description="Lists artifacts that a check blocks or whose run failed, and a ledger that was "
    "rewritten; reports each once as an observation of its asset. Requests no run.",
)
def attention_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> dg.SkipReason:
    """Report each artifact once on its asset, and list all of them in every tick."""
    found = needs_attention(context.instance, stage_runner.project)
    reported = json.loads(context.cursor or "{}")
    news = {key: reason for key, reason in found.items() if reported.get(str(key)) != reason}
    report_alerts(context.instance, news)
    for key, reason in news.items():
        context.log.warning(f"{key} {reason}")
    context.update_cursor(json.dumps({str(key): reason for key, reason in found.items()}))
    if not found:
        return dg.SkipReason("No artifact is blocked and no run failed")
    return dg.SkipReason("\n".join(f"{key} {reason}" for key, reason in found.items()))


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=3600,
    description="Requests retraining when newly landed clips differ from those of the release.",
)
def drift_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request one run per set of new shards that differs."""
    del context
    project = stage_runner.project
    drift = measure_drift(project.data, project.shards())
    distances = ", ".join(f"{name} {value:.2f}" for name, value in drift.distance.items()) or "none"
    if drift.is_drifting:
        tags = {"p4d/drift": distances}
        yield dg.RunRequest(run_key=f"drift {' '.join(drift.shards)}", tags=tags)
    else:
        yield dg.SkipReason(f"{drift.new_clips} clips since the release; distance {distances}")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    description="Requests assets whose code or inputs changed. Leaves new shards to landing_sensor "
    "and waits for blocking checks.",
)

SENSORS = [landing_sensor, reconcile_sensor, attention_sensor, drift_sensor, automation]
