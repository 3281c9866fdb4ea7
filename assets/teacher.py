"""The expert: its training scenes and its frozen weights."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("expert_worlds")
def expert_worlds(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Renders the training scenes with exact truth."""
    return stage_runner.materialize(context, config)


@stage_asset("expert")
def expert(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Trains the expert and measures it on unseen scenes."""
    return stage_runner.materialize(context, config)
