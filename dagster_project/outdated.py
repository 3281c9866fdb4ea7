"""Finds assets whose loaded definition is older than params.yaml or the code.

The UI and its sensors read code versions from the definitions as they were loaded. A run reads the
files as they are. After an edit the two differ until the definitions are loaded again: the UI then
calls fresh what is stale, and what a run made meanwhile it calls stale.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from dagster_project.dagster_internals import AssetGraph
from p4d.project import Project
from p4d.versioning.state.workspace import code_versions

ADVICE = (
    "params.yaml or code changed since the definitions were loaded, so the UI shows an old "
    'staleness: press "Reload definitions" under Deployment'
)


def outdated(graph: AssetGraph, project: Project) -> dict[str, str]:
    """Assets whose loaded code version is not the one on disk, with the latter."""
    return {
        name: version
        for name, version in code_versions(project).items()
        if graph.get(dg.AssetKey(name)).code_version != version
    }


def report_outdated(instance: dg.DagsterInstance, names: Collection[str]) -> None:
    """Report the advice as an observation of each asset."""
    for name in names:
        instance.report_runless_asset_event(
            dg.AssetObservation(asset_key=dg.AssetKey(name), description=ADVICE)
        )
