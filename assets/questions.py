"""From regions over facts to questions."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews, tables


@stage_asset("regions")
def regions(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Find the regions of a shard and draw their marks."""
    return workspace.materialize(context, preview=previews.regions_sheet)


@stage_asset("facts")
def facts(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Measure what can be asked about."""
    return workspace.materialize(context)


@stage_asset("questions")
def questions(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Ask what the facts can answer with certainty."""
    return workspace.materialize(context, table=tables.question_counts)
