"""The expert: its training scenes and its frozen weights."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews, tables


@stage_asset("expert_worlds")
def expert_worlds(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Render the training scenes with exact truth."""
    return workspace.materialize(context)


@stage_asset("expert")
def expert(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Train the expert and measure it on unseen scenes."""
    return workspace.materialize(context, preview=previews.training_curve, table=tables.expert_card)
