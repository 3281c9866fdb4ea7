"""The frozen release."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import tables


@stage_asset("release")
def release(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Freeze shards, splits and questions."""
    return workspace.materialize(context, table=tables.release_counts)
