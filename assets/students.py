"""Students: the shared start and one trained model per arm."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews


@stage_asset("base_student")
def base_student(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Train the tokenizer and initialise the network that every arm starts from."""
    return workspace.materialize(context)


@stage_asset("student_sft")
def student_sft(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Train on the questions alone."""
    return workspace.materialize(context, preview=previews.training_curve)


@stage_asset("student_p4d")
def student_p4d(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Train with Perceptual 4D Distillation."""
    return workspace.materialize(context, preview=previews.student_probes)


@stage_asset("student_blind")
def student_blind(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Train the control that sees no video."""
    return workspace.materialize(context, preview=previews.training_curve)
