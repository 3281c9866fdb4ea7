"""Dagster's webserver behind the guard, as a process: `python -m dagster_project.ui.webserver`."""

from __future__ import annotations

import click


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--workspace", required=True, help="File that names the code server.")
def main(port: int, workspace: str) -> None:
    """Serve the UI of the instance in $DAGSTER_HOME on loopback, until SIGINT or SIGTERM."""
    import uvicorn

    from dagster_project.dagster_internals import open_webserver
    from dagster_project.ui.guard import Guard

    with open_webserver(workspace, Guard) as app:
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
