"""Which runs of Dagster bring a project up to date, decided without Dagster.

Neighbouring shards that need the same stages are one run of many partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from p4d.versioning.state.plan import Batch

# A run starts in about 10 s. Runs of one pool wait for each other, so a new shard waits for one of
# these at most.
SHARDS_PER_RUN = 50


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """Stages of one run: of neighbouring shards, or of none."""

    shards: tuple[str, ...]
    stages: tuple[str, ...]

    @property
    def title(self) -> str:
        """Which shards, in words."""
        if not self.shards:
            return "all shards"
        if len(self.shards) == 1:
            return f"shard {self.shards[0]}"
        return f"{len(self.shards)} shards, {self.shards[0]} to {self.shards[-1]}"

    @property
    def tags(self) -> dict[str, str]:
        """The partitions, as a backfill of the UI names them."""
        if not self.shards:
            return {}
        if len(self.shards) == 1:
            return {"dagster/partition": self.shards[0]}
        return {
            "dagster/asset_partition_range_start": self.shards[0],
            "dagster/asset_partition_range_end": self.shards[-1],
        }


def runs_of(batches: Sequence[Batch], partitions: Sequence[str]) -> list[PlannedRun]:
    """Join batches of neighbouring partitions with the same stages, in order.

    Args:
        batches: in the order in which they can run.
        partitions: all of the instance, in its order: a run names a range of them by its ends.
    """
    place = {shard: number for number, shard in enumerate(partitions)}
    runs: list[PlannedRun] = []
    for batch in batches:
        last = runs[-1] if runs else None
        if batch.shard is None:
            runs.append(PlannedRun(shards=(), stages=batch.stages))
        elif (
            last is not None
            and 0 < len(last.shards) < SHARDS_PER_RUN
            and last.stages == batch.stages
            and place[last.shards[-1]] + 1 == place[batch.shard]
        ):
            runs[-1] = replace(last, shards=(*last.shards, batch.shard))
        else:
            runs.append(PlannedRun(shards=(batch.shard,), stages=batch.stages))
    return runs
