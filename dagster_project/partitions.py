"""Shards as dynamic partitions."""

from __future__ import annotations

import dagster as dg

SHARDS = dg.DynamicPartitionsDefinition(name="shards")


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
