"""Scores and the promotion decision."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews, tables


@stage_asset("evaluation")
def evaluation(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Answer the held-out questions with every arm and compare."""
    return workspace.materialize(
        context, preview=previews.accuracy_by_category, table=tables.accuracies
    )


@stage_asset("champion")
def champion(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Decide on promotion and append the decision."""
    return workspace.materialize(context, table=tables.decision)
