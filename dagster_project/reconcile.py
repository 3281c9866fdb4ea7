"""What Dagster has not heard of, so that its view and DVC's stay one.

A process killed between publishing and its event, a `p4d stage` call or a `dvc pull` leave
published versions that Dagster does not know. Materializing them again computes nothing, as they
are fresh, and reports them with full provenance.

The other way round, an edited or deleted output, an edited manifest and a changed list of shards
are seen on the disk alone: `tell_of_changes` reports them, and Dagster calls them stale too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContext

from p4d.config import Project
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactKey, data_version
from p4d.versioning.state.workspace import ArtifactStatus, Workspace, code_versions, status

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph


class _Loading(LoadingContext):
    """What Dagster's staleness resolver loads its records through."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._loaders: dict[Any, Any] = {}

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[Any, Any]:
        return self._loaders


def unreported(instance: dg.DagsterInstance, project: Project) -> set[ArtifactKey]:
    """Fresh artifacts whose version or code version is not Dagster's latest."""
    code = code_versions(project)
    return {
        item.key
        for item in status(project)
        if item.state == "fresh"
        and _reported(instance, item.key) != (data_version(item.md5 or ""), code[item.key.stage])
    }


def _reported(instance: dg.DagsterInstance, key: ArtifactKey) -> tuple[str | None, str | None]:
    record = instance.get_latest_data_version_record(
        dg.AssetKey(key.stage), partition_key=key.shard
    )
    event = record.event_log_entry.dagster_event if record else None
    if event is None or not event.is_step_materialization:
        return None, None
    tags = event.step_materialization_data.materialization.tags or {}
    return tags.get("dagster/data_version"), tags.get("dagster/code_version")


def tell_of_changes(
    instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], project: Project
) -> list[ArtifactStatus]:
    """Report every instance that is not fresh although Dagster believes so; returns them.

    The event says what lies there now (its hash, or that nothing does) and why it is not fresh;
    making the instance again replaces it.
    """
    believed = CachingStaleStatusResolver(instance, graph, _Loading(instance))
    told = []
    with Workspace(project) as look:
        for key in look.all_keys():
            now, asset = look.status(key), dg.AssetKey(key.stage)
            if now.state == "fresh" or believed.get_status(asset, key.shard).value != "FRESH":
                continue
            present = look.digest(out_path(key))
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=asset,
                    partition=key.shard,
                    description=f"Not fresh: {'; '.join(now.reasons)}",
                    tags={
                        "dagster/data_version": data_version(present.md5) if present else "missing",
                        "dagster/code_version": now.state,
                    },
                )
            )
            told.append(now)
    return told
