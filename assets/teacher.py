"""The expert: its training scenes and its frozen weights."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("expert_worlds")
def expert_worlds(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Render the training scenes with exact truth."""
    return stage_runner.materialize(context, config)


@stage_asset("expert")
def expert(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Train the expert and measure it on unseen scenes."""
    return stage_runner.materialize(context, config)
