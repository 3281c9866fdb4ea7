"""Sensors: what lands, drifts, was not reported or needs somebody's attention."""

import json
from collections.abc import Iterator

import dagster as dg

from dagster_project.alerts import needs_attention, tell
from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import label_backfill, retrain
from dagster_project.partitions import sync_shards
from dagster_project.project import project
from dagster_project.reconcile import tell_of_changes, unreported
from p4d.config import Project
from p4d.quality.drift import measure_drift
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.plan import in_order
from p4d.video.landing import land

# A file that is still being copied grows; it lands at the first look after it has rested.
_SETTLE_S = 10.0


@dg.sensor(
    job=label_backfill,
    minimum_interval_seconds=30,
    description="Closes a shard when new files rest in the inbox, and requests its labels.",
)
def landing_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Land what is new; one run per shard that was never labelled, whoever closed it."""
    here = Project(project().root)  # anew, so that changed landing parameters count
    report = land(here, settle_s=_SETTLE_S)
    sync_shards(context.instance, here)
    ledger = Ledger(here)
    # From what is on record, not from the report: a request that got lost is made again, and the
    # run key keeps one shard from being asked for twice.
    waiting = [s for s in here.shards() if ledger.index().latest(ArtifactKey("videos", s)) is None]
    if not waiting:
        yield dg.SkipReason(report.summary())
    for shard in waiting:
        yield dg.RunRequest(run_key=shard, partition_key=shard)


@dg.sensor(
    minimum_interval_seconds=60,
    description="Reports published versions that Dagster has not heard of; computes nothing.",
    target=dg.AssetSelection.all(),
)
def reconcile_sensor(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Bring partitions, runs and events in line with what is published; anchor the ledger."""
    sync_shards(context.instance, project())
    end_dead_runs(context.instance)
    head = str(Ledger(project()).path.stat().st_size) if Ledger(project()).path.exists() else "0"
    if head != context.cursor:
        anchor(project(), "artifacts as published")
        context.update_cursor(head)
    graph = context.repository_def.asset_graph if context.repository_def else None
    for changed in tell_of_changes(context.instance, graph, project()) if graph else []:
        context.log.warning(f"{changed.key} is {changed.state}: {'; '.join(changed.reasons)}")
    unheard = unreported(context.instance, project())
    if not unheard:
        yield dg.SkipReason("Dagster knows every published version")
    for batch in in_order(project(), unheard):
        yield dg.RunRequest(
            asset_selection=[dg.AssetKey(name) for name in batch.stages],
            partition_key=batch.shard,
        )


@dg.sensor(
    minimum_interval_seconds=60,
    description="Names shards that a gate holds back or whose run failed; requests nothing.",
    target=dg.AssetSelection.all(),
)
def attention_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell each once on its asset, and all of them in every tick."""
    found = needs_attention(context.instance, project())
    told = json.loads(context.cursor or "{}")
    news = {key: reason for key, reason in found.items() if told.get(key) != reason}
    tell(context.instance, news)
    for key, reason in news.items():
        context.log.warning(f"{key} {reason}")
    context.update_cursor(json.dumps(dict(found)))
    if not found:
        return dg.SkipReason("No shard is held back and no run failed")
    return dg.SkipReason("\n".join(f"{key} {reason}" for key, reason in found.items()))


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=3600,
    description="Requests retraining when what landed looks unlike what the release was made of.",
)
def drift_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per set of new shards that differs."""
    del context
    drift = measure_drift(project().data, Project(project().root).shards())
    told = ", ".join(f"{column} {value:.2f}" for column, value in drift.distance.items()) or "none"
    if drift.is_drifting:
        yield dg.RunRequest(run_key=f"drift {' '.join(drift.shards)}", tags={"p4d/drift": told})
    else:
        yield dg.SkipReason(f"{drift.new_clips} clips since the release; distance {told}")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    description="Materializes what an automation condition asks for.",
)

SENSORS = [landing_sensor, reconcile_sensor, attention_sensor, drift_sensor, automation]
