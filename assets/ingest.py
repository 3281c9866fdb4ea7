"""From landed files to clips."""

import dagster as dg

from dagster_project.resources import Workspace
from dagster_project.stage_assets import stage_asset
from p4d.display import previews, tables


@stage_asset("videos")
def videos(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Verify and keep the landed source files of a shard."""
    return workspace.materialize(context, table=tables.landed_files)


@stage_asset("clips")
def clips(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Cut the shard's videos into clips and sample their frames."""
    return workspace.materialize(context, preview=previews.clips_sheet)
