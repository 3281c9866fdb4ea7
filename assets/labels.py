"""Teacher pseudo-labels."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("labels")
def labels(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Labels a shard with every teacher and measures the labels."""
    return stage_runner.materialize(context, config)
