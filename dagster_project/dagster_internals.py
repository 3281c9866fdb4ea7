"""The only user of Dagster's private API.

Dagster has no public way to ask whether an asset is stale, to report the provenance of a version
that no run made, to record many partitions in one step, to free the pool slots of a run whose
process died, to put a middleware before the webserver, or to switch several sensors at once.
Private names may change in any release, so pyproject.toml pins `dagster` exactly, and
`tests/dagster_project/test_dagster_internals.py` checks every name here against a real run.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
    from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor
    from dagster._core.workspace.load_target import ModuleTarget
    from starlette.applications import Starlette

AssetGraph: TypeAlias = "BaseAssetGraph[Any]"
"""The assets and checks of a code location, as `Definitions.resolve_asset_graph()` returns them."""

SOURCE_VERSION = DEFAULT_DATA_VERSION.value
"""Data version of an asset that no run makes and nobody observed a version of."""

__all__ = [
    "CODE_VERSION_TAG",
    "DATA_VERSION_TAG",
    "SOURCE_VERSION",
    "AssetGraph",
    "CheckTarget",
    "CodeLocation",
    "Staleness",
    "check_target",
    "code_server",
    "free_pool_slots",
    "initialize_pools",
    "latest_materialization",
    "latest_tags",
    "load_switches",
    "open_webserver",
    "partitions_of",
    "read_inputs",
    "recorded_outputs",
    "run_daemon",
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


def partitions_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """The shards of a run, of one partition or of a range; empty if it has none.

    The keys of a range are those between its ends, in the order in which they were added.
    """
    if shard := run.tags.get("dagster/partition"):
        return [shard]
    ends = [run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    known = list(instance.get_dynamic_partitions("shards"))
    if not all(end in known for end in ends):
        return []
    first, last = (known.index(end) for end in ends if end)
    return known[first : last + 1]


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


def free_pool_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Free the slots of pools that a run holds."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def initialize_pools(instance: dg.DagsterInstance, pools: Collection[str]) -> None:
    """Give each pool without a limit of its own the default limit of the instance.

    The queue does so itself, but only after it has started the first runs without a limit.
    """
    storage = instance.event_log_storage
    default = instance.global_op_concurrency_default_limit
    limits = {limit.name: limit for limit in storage.get_pool_limits()}
    for pool in pools:
        known = limits.get(pool)
        if known is None or (known.from_default and known.limit != default):
            storage.initialize_concurrency_limit_to_default(pool)


@dataclass(frozen=True)
class CodeLocation:
    """A module that defines definitions, and where Python looks for it first.

    Attributes:
        module: also the name of the code location in Dagster.
        root: of the project.
    """

    module: str
    root: Path

    def target(self) -> ModuleTarget:
        """The location as Dagster's processes take it."""
        from dagster._core.workspace.load_target import ModuleTarget

        return ModuleTarget(
            self.module, attribute=None, working_directory=str(self.root), location_name=None
        )


@contextlib.contextmanager
def code_server(
    instance: dg.DagsterInstance, location: CodeLocation, folder: Path
) -> Iterator[Path]:
    """A process that holds the definitions of a module, for a webserver and a daemon together.

    Args:
        instance: whose runs the process starts.
        location: what to load.
        folder: gets the workspace file, and should be private: the file names the socket.

    Yields:
        The workspace file that names the process.
    """
    from dagster._cli.proxy_server_manager import ProxyServerManager

    with ProxyServerManager(
        instance, location.target(), code_server_log_level="warning"
    ) as servers:
        workspace = folder / "workspace.yaml"
        content = json.dumps({"load_from": servers.get_code_server_specs()})
        workspace.write_text(content, encoding="utf-8")
        yield workspace


@contextlib.contextmanager
def open_webserver(workspace: str, middleware: Callable[[Any], Any]) -> Iterator[Starlette]:
    """The application of Dagster's webserver, on the instance of $DAGSTER_HOME.

    Args:
        workspace: file that names the code servers.
        middleware: ASGI middleware in front of every request.
    """
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.version import __version__
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.middleware import Middleware

    guard: Any = middleware  # its type in Starlette is that of a class with any arguments

    class Webserver(DagsterWebserver[Any, Any]):
        def build_middleware(self) -> list[Middleware]:
            return [Middleware(guard), *super().build_middleware()]

        def make_security_headers(self) -> dict[str, str]:
            # No page may show the UI in a frame and guide clicks into it.
            return {**super().make_security_headers(), "X-Frame-Options": "DENY"}

    with dg.DagsterInstance.get() as instance:
        # The defaults of the command `dagster-webserver`.
        instance.optimize_for_webserver(
            statement_timeout=15_000, pool_recycle=3_600, max_overflow=20
        )
        with WorkspaceProcessContext(
            instance, version=__version__, workspace_load_target=WorkspaceFileTarget([workspace])
        ) as context:
            yield Webserver(context, live_data_poll_rate=2_000).create_asgi_app(lifespan=_lifespan)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    del app
    with contextlib.suppress(asyncio.CancelledError):  # of an interrupt
        yield


def run_daemon(workspace: str, *, interval_s: int) -> None:
    """Run the daemon of the instance in $DAGSTER_HOME until SIGINT or SIGTERM.

    Args:
        workspace: file that names the code servers.
        interval_s: seconds between two looks for backfills. The command `dagster-daemon` has 30,
            and no setting for it: a backfill started, and ended, half a minute late.
    """
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._daemon import controller
    from dagster._utils.interrupts import capture_interrupts

    setattr(controller, "DEFAULT_DAEMON_INTERVAL_SECONDS", interval_s)  # noqa: B010
    with (
        contextlib.suppress(KeyboardInterrupt),
        capture_interrupts(),
        dg.DagsterInstance.get() as instance,
        controller.daemon_controller_from_instance(
            instance,
            workspace_load_target=WorkspaceFileTarget([workspace]),
            # Its warnings are about its own first start ("No cursor for event type RUN_FAILURE").
            log_level="error",
            code_server_log_level="warning",
        ) as daemons,
    ):
        daemons.check_daemon_loop()


@contextlib.contextmanager
def load_switches(instance: dg.DagsterInstance, location: CodeLocation) -> Iterator[Switches]:
    """The sensors and schedules of a module, as the webserver sees them."""
    from dagster._core.workspace.context import WorkspaceProcessContext

    with WorkspaceProcessContext(
        instance, workspace_load_target=location.target(), code_server_log_level="warning"
    ) as context:
        loaded = context.create_request_context().get_code_location(location.module)
        repository = next(iter(loaded.get_repositories().values()))
        found: list[RemoteSensor | RemoteSchedule] = [
            *repository.get_sensors(),
            *repository.get_schedules(),
        ]
        yield Switches(instance, {each.name: each for each in found})


class Switches:
    """Which sensors and schedules are on; the same state as the toggles in the UI."""

    def __init__(
        self, instance: dg.DagsterInstance, found: Mapping[str, RemoteSensor | RemoteSchedule]
    ) -> None:
        """Of `instance`, for these sensors and schedules by name."""
        self._instance = instance
        self._found = found

    def states(self) -> dict[str, bool]:
        """By name, whether it is on."""
        return {name: self._is_on(each) for name, each in self._found.items()}

    def _is_on(self, each: RemoteSensor | RemoteSchedule) -> bool:
        stored = self._instance.get_instigator_state(each.get_remote_origin_id(), each.selector_id)
        return each.get_current_instigator_state(stored).is_running

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch one on or off; returns whether that changed it."""
        each = self._found[name]
        if self._is_on(each) == on:
            return False
        is_schedule = hasattr(each, "cron_schedule")
        if on:
            start: Any = (
                self._instance.start_schedule if is_schedule else self._instance.start_sensor
            )
            start(each)
        else:
            stop: Any = self._instance.stop_schedule if is_schedule else self._instance.stop_sensor
            stop(each.get_remote_origin_id(), each.selector_id, each)
        return True
