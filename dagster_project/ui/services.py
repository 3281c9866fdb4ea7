"""Starts the processes of the UI, and ends them together.

A code server holds the definitions, so that "Reload definitions" in the UI reaches the daemon as
well. The webserver and the daemon are its clients. Dagster's `dagster dev` starts the same three,
with a webserver that has no guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from dagster_project.dagster_internals import CodeLocation, code_server
from dagster_project.home import definitions_module, open_instance
from p4d.errors import OrchestrationError
from p4d.project import Project

# A run in progress is a process of its own, so ending these three loses nothing.
_PATIENCE_S = 15.0
LANDING_TIMEOUT_S = 3600
"""Of a tick of a sensor."""


def serve(project: Project, port: int, note: Callable[[str], None]) -> None:
    """Serve the UI on loopback until SIGINT or SIGTERM.

    Args:
        project: whose UI.
        port: of the webserver.
        note: takes one line when the UI answers.

    Raises:
        OrchestrationError: the webserver or the daemon ended by itself.
    """
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()

    # Both, whatever the parent process ignored: a shell ignores SIGINT for a background command.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with ExitStack() as stack:
        instance = stack.enter_context(open_instance(project))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="p4d-ui-"))
        location = CodeLocation(definitions_module(project), project.root)
        workspace = str(stack.enter_context(code_server(instance, location, Path(folder))))
        own = ["dagster_project.ui.webserver", "--port", str(port), "--workspace", workspace]
        daemon = ["dagster_project.ui.daemon", "--workspace", workspace]
        services = stack.enter_context(_processes({"webserver": own, "daemon": daemon}))
        note(f"Dagster UI: http://127.0.0.1:{port} (stop with Ctrl-C)")
        while not stopped.wait(0.5):
            for name, process in services.items():
                if process.poll() is not None:
                    raise OrchestrationError(
                        f"the {name} of the UI ended with status {process.returncode}; its last "
                        "lines are above. Start again with: make ui"
                    )


@contextmanager
def _processes(
    modules: Mapping[str, Sequence[str]],
) -> Iterator[Mapping[str, subprocess.Popen[bytes]]]:
    """Python modules that run, each in a session of its own, so that Ctrl-C reaches us alone."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    # Landing converts the datasets in the inbox within a tick of its sensor; the default is 60 s.
    environment.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", str(LANDING_TIMEOUT_S))
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", *module], env=environment, start_new_session=True
        )
        for name, module in modules.items()
    }
    try:
        yield started
    finally:
        for process in started.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in started.values():
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
