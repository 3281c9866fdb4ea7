"""Serves the explorer on loopback until SIGINT or SIGTERM."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn

from p4d.errors import ContractError
from p4d.explore.app import Explorer
from p4d.explore.links import PORT
from p4d.loopback import HOST, check_port
from p4d.project import Project


def serve(
    project: Project, *, port: int = PORT, reviewer: str = "", note: Callable[[str], None]
) -> None:
    """Serve the explorer of a project.

    Args:
        project: whose artifacts.
        port: on 127.0.0.1.
        reviewer: name that the form of verdicts begins with.
        note: takes one line before the first request is answered.

    Raises:
        ContractError: the project has no artifacts.
        PortError: the port is in use.
    """
    if not project.shards():
        raise ContractError(
            f"{project.root} has no artifacts: no shard has landed; "
            "put videos into inbox/ and run `make up`, or try `make demo`"
        )
    check_port(port, "stop what uses it, or choose another one with --port")
    app = Explorer(project, reviewer).app()
    note(f"Explorer: http://{HOST}:{port} (stop with Ctrl-C)")
    uvicorn.run(app, host=HOST, port=port, log_level="warning")
