"""Staleness, provenance and outputs of assets in Dagster's event log."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as CheckTarget,
)
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    CachingStaleStatusResolver,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.loader import LoadingContext

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

AssetGraph: TypeAlias = "BaseAssetGraph[Any]"
"""The assets and checks of a code location, as `Definitions.resolve_asset_graph()` returns them."""


SOURCE_VERSION = DEFAULT_DATA_VERSION.value
"""Data version of an asset that no run makes and nobody observed a version of."""


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


def latest_materialization(
    instance: dg.DagsterInstance, asset: str, partition: str | None
) -> dg.AssetMaterialization | None:
    """The latest materialization of an asset or partition."""
    record = instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=partition)
    event = record.event_log_entry.dagster_event if record else None
    if event is None or not event.is_step_materialization:
        return None
    return event.step_materialization_data.materialization


def latest_tags(
    instance: dg.DagsterInstance, asset: str, partition: str | None
) -> Mapping[str, str]:
    """Tags of the latest materialization of an asset or partition; empty if there is none."""
    found = latest_materialization(instance, asset, partition)
    return (found.tags if found else None) or {}


def read_inputs(tags: Mapping[str, str], names: Collection[str]) -> set[str]:
    """Those of `names` that the tags of a materialization name as inputs."""
    return {name for name in names if get_input_data_version_tag(dg.AssetKey(name)) in tags}


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


def check_target(
    instance: dg.DagsterInstance, asset: str, partition: str | None
) -> CheckTarget | None:
    """The latest materialization of an asset or partition, as what a check examined."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records:
        return None
    return CheckTarget(
        run_id=records[0].run_id, storage_id=records[0].storage_id, timestamp=records[0].timestamp
    )


def recorded_outputs(
    context: dg.AssetExecutionContext, order: Sequence[str]
) -> Iterator[dg.Output[None]]:
    """The selected outputs of a step that yielded its materializations and checks itself.

    Later steps of the run need the outputs. Dagster makes a materialization of each, for every
    partition of the run and with one data version; this mark stops it.

    Args:
        context: of the step.
        order: names of its assets, inputs before what reads them.
    """
    definition = context.assets_def
    for asset in map(dg.AssetKey, order):
        if asset not in context.selected_asset_keys:
            continue
        name = definition.get_output_name_for_asset_key(asset)
        yield dg.Output(None, name, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})
    for check in context.selected_asset_check_keys:
        yield dg.Output(None, definition.get_output_name_for_asset_check_key(check))
