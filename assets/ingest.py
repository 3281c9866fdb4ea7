"""From landed files to clips."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("videos")
def videos(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Verifies the landed source files of a shard and stores them."""
    return stage_runner.materialize(context, config)


@stage_asset("clips")
def clips(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Cuts the videos of a shard into clips and samples their frames."""
    return stage_runner.materialize(context, config)
