"""Builds the Dagster definitions of a project; tests pass resources of their own."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType

import dagster as dg

from p4d.project import Project


def build_defs(project: Project, **resources: object) -> dg.Definitions:
    """The definitions of a project.

    Args:
        project: code versions are computed here, from its code and params.yaml as they are now.
        resources: replace those of the code location: `stage_runner`, `inbox`, `shard_workers`.
    """
    with warnings.catch_warnings():
        # Partitioned checks and pools are marked preview in 1.13; the notices would hide others.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)

        from dagster_project.inbox_asset import inbox_asset
        from dagster_project.jobs import JOBS
        from dagster_project.resources import Inbox, StageRunner
        from dagster_project.schedules import SCHEDULES
        from dagster_project.sensors import SENSORS
        from dagster_project.shards.workers import ShardWorkers
        from dagster_project.stage_assets import load_assets
        from dagster_project.stage_checks import all_stage_checks

        root = str(project.root)
        return dg.Definitions(
            assets=[inbox_asset(project), *load_assets(_package_of_assets(), project)],
            asset_checks=all_stage_checks(),
            jobs=JOBS,
            schedules=SCHEDULES,
            sensors=SENSORS,
            resources={
                "stage_runner": StageRunner(root=root),
                "inbox": Inbox(root=root),
                "shard_workers": ShardWorkers(),
                **resources,
            },
            # In one process: a step costs 0.1 s instead of several, and torch is imported once.
            executor=dg.in_process_executor,
        )


def _package_of_assets() -> ModuleType:
    """`assets/` of a checkout; a wheel holds it inside of this package, see pyproject.toml."""
    inside = f"{__package__}.assets"
    return importlib.import_module(inside if importlib.util.find_spec(inside) else "assets")
