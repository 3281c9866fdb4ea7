"""The only user of Dagster's private API.

Dagster has no public way to ask whether an asset is stale, to report the provenance of a version
that no run made, or to free the pool slots of a run whose process died. Private names may change in
any release, so pyproject.toml pins `dagster` exactly, and
`tests/dagster_project/test_dagster_internals.py` checks every name here against a real run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    CachingStaleStatusResolver,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.loader import LoadingContext

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

AssetGraph: TypeAlias = "BaseAssetGraph[Any]"
"""The assets and checks of a code location, as `Definitions.resolve_asset_graph()` returns them."""

__all__ = [
    "CODE_VERSION_TAG",
    "DATA_VERSION_TAG",
    "AssetGraph",
    "Staleness",
    "free_pool_slots",
    "latest_tags",
    "version_tags",
]


class _Loading(LoadingContext):
    """What the resolver of staleness loads its records through."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._loaders: dict[Any, Any] = {}

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @property
    def loaders(self) -> dict[Any, Any]:
        return self._loaders


class Staleness:
    """Which assets Dagster calls fresh, as its UI shows them; a snapshot, read once per asset."""

    def __init__(self, instance: dg.DagsterInstance, graph: AssetGraph) -> None:
        """Read the events of `instance` about the assets of `graph`."""
        self._resolver = CachingStaleStatusResolver(instance, graph, _Loading(instance))

    def is_fresh(self, asset: str, partition: str | None) -> bool:
        """Whether Dagster calls the asset (or one partition of it) fresh."""
        return self._resolver.get_status(dg.AssetKey(asset), partition).value == "FRESH"


def latest_tags(
    instance: dg.DagsterInstance, asset: str, partition: str | None
) -> Mapping[str, str]:
    """Tags of the latest materialization of an asset or partition; empty if there is none."""
    record = instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=partition)
    event = record.event_log_entry.dagster_event if record else None
    if event is None or not event.is_step_materialization:
        return {}
    return event.step_materialization_data.materialization.tags or {}


def version_tags(
    instance: dg.DagsterInstance,
    *,
    data_version: str,
    code_version: str,
    inputs: Mapping[str, str | Sequence[str]],
) -> dict[str, str]:
    """The tags that Dagster puts on a materialization, for one that no run made.

    Args:
        instance: where the inputs were reported before.
        data_version: of the version to report.
        code_version: of the version to report.
        inputs: by asset, the data version that was read; for a partitioned asset the versions of
            the partitions that were read, in the order of their keys.
    """
    tags = {
        DATA_VERSION_TAG: data_version,
        CODE_VERSION_TAG: code_version,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for asset, version in inputs.items():
        key = dg.AssetKey(asset)
        if not isinstance(version, str):
            version = hashlib.sha256("".join(version).encode()).hexdigest()
        tags[get_input_data_version_tag(key)] = version
        # Partitions are compared by position in the event log: later events of theirs are news.
        records = instance.fetch_materializations(key, limit=1).records
        pointer = str(records[0].storage_id) if records else NULL_EVENT_POINTER
        tags[get_input_event_pointer_tag(key)] = pointer
    return tags


def free_pool_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Free the slots of pools that a run holds."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
