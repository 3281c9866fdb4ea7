"""The code location: everything Dagster loads."""

from __future__ import annotations

import warnings

import dagster as dg

# Partitioned checks and pools are marked preview in 1.13; the notices would hide real warnings.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

import assets  # noqa: E402
from assets.checks import CHECKS  # noqa: E402
from dagster_project.jobs import JOBS  # noqa: E402
from dagster_project.resources import Workspace  # noqa: E402
from dagster_project.schedules import SCHEDULES  # noqa: E402
from dagster_project.sensors import SENSORS  # noqa: E402

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets),
    asset_checks=CHECKS,
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    resources={"workspace": Workspace()},
    # In one process: a step costs 0.1 s instead of several, and torch is imported once.
    executor=dg.in_process_executor,
)
