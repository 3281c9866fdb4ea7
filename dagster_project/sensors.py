"""Sensors: new files in the inbox become shards, and lost events are reported again."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.bridge import project, reconcile
from dagster_project.jobs import label_backfill
from dagster_project.partitions import sync_shards
from p4d.video.landing import land

# A file that is still being copied grows; it lands at the first look after it has rested.
_SETTLE_S = 10.0


@dg.sensor(
    job=label_backfill,
    minimum_interval_seconds=30,
    description="Closes a shard when new files rest in the inbox, and requests its labels.",
)
def landing_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Land what is new; one run per new shard."""
    report = land(project(), settle_s=_SETTLE_S)
    if not report.shards:
        yield dg.SkipReason(report.summary())
        return
    sync_shards(context.instance, project())
    for shard in report.shards:
        yield dg.RunRequest(run_key=shard, partition_key=shard)


@dg.sensor(
    minimum_interval_seconds=60,
    description="Reports versions that were published by a process killed before its event.",
    target=dg.AssetSelection.all(),
)
def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Bring partitions and events in line with the ledger."""
    sync_shards(context.instance, project())
    return dg.SkipReason(f"{reconcile(context.instance)} events reported again")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    description="Materializes what an automation condition asks for.",
)

SENSORS = [landing_sensor, reconcile_sensor, automation]
