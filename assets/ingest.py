"""From landed files to clips."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("videos")
def videos(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Verify and keep the landed source files of a shard."""
    return stage_runner.materialize(context, config)


@stage_asset("clips")
def clips(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Cut the shard's videos into clips and sample their frames."""
    return stage_runner.materialize(context, config)
