"""Keeps the instance's partitions equal to `shards/index.yaml`, which is the truth."""

from __future__ import annotations

import dagster as dg

from dagster_project.inbox_asset import report_landed
from p4d.project import Project

# SQLite limits the variables of a statement, and Dagster does not split its statements.
_CHUNK = 5_000


def sync_shards(instance: dg.DagsterInstance, project: Project) -> list[str]:
    """Make the instance's partition keys equal to the closed shards; returns the added ones."""
    wanted, present = project.shards(), set(instance.get_dynamic_partitions("shards"))
    added = [shard for shard in wanted if shard not in present]
    for start in range(0, len(added), _CHUNK):
        instance.add_dynamic_partitions("shards", added[start : start + _CHUNK])
    for gone in sorted(present - set(wanted)):
        instance.delete_dynamic_partition("shards", gone)
    report_landed(instance, project, wanted, is_news=bool(added))
    return added
