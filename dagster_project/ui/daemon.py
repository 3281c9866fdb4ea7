"""Dagster's daemon, as a process: `python -m dagster_project.ui.daemon`.

It ticks sensors and schedules, starts queued runs and backfills, and monitors runs.
"""

from __future__ import annotations

import click

_INTERVAL_S = 5


@click.command()
@click.option("--workspace", required=True, help="File that names the code server.")
def main(workspace: str) -> None:
    """Run the daemon of the instance in $DAGSTER_HOME, until SIGINT or SIGTERM."""
    from dagster_project.dagster_internals import run_daemon

    run_daemon(workspace, interval_s=_INTERVAL_S)


if __name__ == "__main__":
    main()
