"""The frozen release, and the external rows beside it."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("release")
def release(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Freezes shards, splits and questions."""
    return stage_runner.materialize(context, config)


@stage_asset("external")
def external(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Reads the sets below external/, and checks every row and every video and picture."""
    return stage_runner.materialize(context, config)


@stage_asset("mixture")
def mixture(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Compares external media with the clips of the release, and splits the rows."""
    return stage_runner.materialize(context, config)
