"""Teacher pseudo-labels."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews, tables


@stage_asset("labels")
def labels(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Label a shard with every teacher and measure the labels."""
    return workspace.materialize(context, preview=previews.labels_sheet, table=tables.label_quality)
