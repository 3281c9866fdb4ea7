"""The states of a check of many partitions, in one pass.

Dagster 1.13 adds the partitions to a state one after another, with a query and a new set for each:
the page of an asset with 10,000 partitions then takes minutes, at each look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.storage import asset_check_state
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Recorded,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionResolvedStatus as Resolved,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo

Subset = SerializableEntitySubset[dg.AssetCheckKey]

one_by_one = asset_check_state._process_partition_records
"""Dagster's own."""


def read_in_one_pass() -> None:
    """Have this process use `in_one_pass`."""
    setattr(asset_check_state, "_process_partition_records", in_one_pass)  # noqa: B010


def in_one_pass(
    key: dg.AssetCheckKey,
    partitions_def: dg.PartitionsDefinition[Any] | None,
    subsets: Mapping[Resolved, Subset],
    in_progress_runs: Mapping[str, Subset],
    partition_infos: Sequence[AssetCheckPartitionInfo],
) -> tuple[Mapping[Resolved, Subset], Mapping[str, Subset]]:
    """What Dagster's function of this name returns, with as many sets as there are states."""
    if not isinstance(partitions_def, dg.DynamicPartitionsDefinition):
        return one_by_one(key, partitions_def, subsets, in_progress_runs, partition_infos)
    known = set(partitions_def.get_partition_keys())
    added: dict[Resolved, list[str]] = defaultdict(list)
    running: dict[str, list[str]] = defaultdict(list)
    outdated: list[str] = []
    for info in partition_infos:
        partition = info.partition_key
        if partition is None or partition not in known:
            continue
        if info.latest_execution_status == Recorded.PLANNED:
            added[Resolved.IN_PROGRESS].append(partition)
            running[info.latest_planned_run_id].append(partition)
        elif not info.is_current:
            outdated.append(partition)
        elif info.latest_execution_status == Recorded.SUCCEEDED:
            added[Resolved.SUCCEEDED].append(partition)
        else:
            added[Resolved.FAILED].append(partition)

    def subset(partitions: Sequence[str]) -> Subset:
        return SerializableEntitySubset.from_coercible_value(key, list(partitions), partitions_def)

    found, runs = dict(subsets), dict(in_progress_runs)
    if outdated:
        gone = subset(outdated)
        found = {status: each.compute_difference(gone) for status, each in found.items()}
    for status, partitions in added.items():
        found[status] = found[status].compute_union(subset(partitions))
    for run_id, partitions in running.items():
        before = runs.get(run_id, SerializableEntitySubset.empty(key, partitions_def))
        runs[run_id] = before.compute_union(subset(partitions))
    return found, runs
