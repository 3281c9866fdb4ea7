"""Joins the per-shard assets and their checks into one op."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_project.gates_check import check_specs
from dagster_project.partitions import SHARDS
from dagster_project.resources import StageConfig, StageRunner
from dagster_project.run_plan import SHARDS_PER_RUN
from dagster_project.shards.runs import run_shards
from dagster_project.shards.stage import ShardStage
from dagster_project.shards.workers import ShardWorkers
from dagster_project.slots import LABELLING

SHARD_OP = "label_shards"
"""The op, and so the step of every run, that makes per-shard stages."""


def shard_assets(stages: Sequence[ShardStage]) -> dg.AssetsDefinition:
    """All per-shard assets and their checks as one op, of which a run selects any part.

    Args:
        stages: in pipeline order.
    """
    checks = [spec for each in stages for spec in check_specs(each.stage, SHARDS)]

    @dg.multi_asset(
        name=SHARD_OP,
        description="Makes and checks the selected stages of each shard, shard after shard.",
        specs=[each.spec for each in stages],
        check_specs=checks,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=SHARDS_PER_RUN),
        pool=LABELLING,
    )
    def make_shards(
        context: dg.AssetExecutionContext,
        config: StageConfig,
        stage_runner: StageRunner,
        shard_workers: dg.ResourceParam[ShardWorkers],
    ) -> Iterator[Any]:
        yield from run_shards(context, config, stage_runner, shard_workers, stages)

    return make_shards
