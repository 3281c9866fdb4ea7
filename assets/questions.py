"""From regions over facts to questions."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("regions")
def regions(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Finds the regions of a shard and draws their marks."""
    return stage_runner.materialize(context, config)


@stage_asset("facts")
def facts(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Measures the quantities that questions are about."""
    return stage_runner.materialize(context, config)


@stage_asset("questions")
def questions(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Composes the questions that the facts answer with certainty."""
    return stage_runner.materialize(context, config)
