"""The states of a check of many partitions are those that Dagster works out one after another."""

import random

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)

from dagster_project.dagster_internals.check_states import in_one_pass, one_by_one
from dagster_project.partitions import SHARDS

KEY = dg.AssetCheckKey(dg.AssetKey("labels"), "gates")
NAMES = [f"{number:04d}-aaaaaaaa" for number in range(60)]


def an_info(name, draw):
    made = draw.randrange(3)
    return AssetCheckPartitionInfo(
        check_key=KEY,
        partition_key=name,
        latest_execution_status=draw.choice(list(AssetCheckExecutionRecordStatus)),
        latest_planned_run_id=f"run {draw.randrange(4)}",
        latest_check_event_storage_id=7,
        latest_materialization_storage_id=made or None,
        latest_target_materialization_storage_id=draw.randrange(3),
    )


def as_sets(found):
    subsets, runs = found
    return [
        {name: set(each.subset_value.get_partition_keys()) for name, each in part.items()}
        for part in (subsets, runs)
    ]


def test_one_pass_finds_what_dagster_finds():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("shards", NAMES[:50])  # the last ten are gone
        with partition_loading_context(dynamic_partitions_store=instance):
            for seed in range(20):
                draw = random.Random(seed)
                before = draw.sample(NAMES[:50], 30)
                subsets = {
                    status: SerializableEntitySubset.from_coercible_value(
                        KEY, before[number::5], SHARDS
                    )
                    for number, status in enumerate(AssetCheckExecutionResolvedStatus)
                }
                infos = [an_info(name, draw) for name in draw.sample([*NAMES, None], 40)]
                given = (KEY, SHARDS, subsets, {}, infos)
                assert as_sets(in_one_pass(*given)) == as_sets(one_by_one(*given))
