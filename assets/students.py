"""Students: the shared start and one trained model per arm."""

import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.stage_assets import stage_asset


@stage_asset("base_student")
def base_student(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Trains the tokenizer and initialises the network that every arm starts from."""
    return stage_runner.materialize(context, config)


@stage_asset("student_sft")
def student_sft(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Trains on the questions alone."""
    return stage_runner.materialize(context, config)


@stage_asset("student_p4d")
def student_p4d(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Trains with Perceptual 4D Distillation."""
    return stage_runner.materialize(context, config)


@stage_asset("student_blind")
def student_blind(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    """Trains the control that sees no video."""
    return stage_runner.materialize(context, config)
