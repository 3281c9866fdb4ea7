"""Sensors: new files in the inbox become shards, and lost events are reported again."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.bridge import project
from dagster_project.jobs import label_backfill
from dagster_project.partitions import sync_shards
from dagster_project.processes import end_dead_runs
from dagster_project.reconcile import unreported
from p4d.config import Project
from p4d.versioning.ledger import Ledger, anchor
from p4d.versioning.plan import in_order
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
    waiting = [s for s in here.shards() if ledger.latest_materialization("videos", s) is None]
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
    unheard = unreported(context.instance, project())
    if not unheard:
        yield dg.SkipReason("Dagster knows every published version")
    for batch in in_order(project(), unheard):
        yield dg.RunRequest(
            asset_selection=[dg.AssetKey(name) for name in batch.stages],
            partition_key=batch.shard,
        )


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    description="Materializes what an automation condition asks for.",
)

SENSORS = [landing_sensor, reconcile_sensor, automation]
