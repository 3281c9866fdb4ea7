"""Shards as dynamic partitions; `shards/index.yaml` is the truth, the instance holds a copy."""

from __future__ import annotations

import dagster as dg

from p4d.project import Project

SHARDS = dg.DynamicPartitionsDefinition(name="shards")

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
    return added


def partitions_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """The shards of a run, of one partition or of a range; empty if it has none.

    The keys of a range are those between its ends, in the order in which they were added.
    """
    if shard := run.tags.get("dagster/partition"):
        return [shard]
    ends = [run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    known = list(instance.get_dynamic_partitions("shards"))
    if not all(end in known for end in ends):
        return []
    first, last = (known.index(end) for end in ends if end)
    return known[first : last + 1]
