"""The frozen release."""

import dagster as dg

from dagster_project.bridge import Workspace, stage_asset
from p4d import tables


@stage_asset("release")
def release(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Freeze shards, splits and questions."""
    return workspace.materialize(context, table=tables.release_counts)
