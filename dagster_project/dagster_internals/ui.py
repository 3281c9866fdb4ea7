"""Webserver, daemon, code server, and switches of sensors and schedules."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project.dagster_internals.check_states import read_in_one_pass

if TYPE_CHECKING:
    from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor
    from dagster._core.workspace.load_target import ModuleTarget
    from starlette.applications import Starlette


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

    read_in_one_pass()
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
