"""Scores and the promotion decision."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("evaluation")
def evaluation(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Answers the held-out questions with every arm and compares the arms."""
    return stage_runner.materialize(context, config)


@stage_asset("champion")
def champion(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Decides whether to promote the student and appends the decision."""
    return stage_runner.materialize(context, config)
