"""Command line of the orchestration: `python -m dagster_project demo | up | ui`."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p4d.errors import P4DError
from p4d.project import Project

if TYPE_CHECKING:
    from dagster_project.batches import StepFailure


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Materialize p4d's assets through Dagster."""


@main.command()
@click.option("--only", multiple=True, help="Restrict to these stages.")
def up(only: tuple[str, ...]) -> None:
    """Land new files of the inbox and materialize everything that is not fresh."""
    from p4d.video.landing import land

    click.echo(land(Project.find()).summary(), err=True)
    _end(_bring_up_to_date(only or None))


@main.command()
@click.option("--without-real-videos", is_flag=True, help="Do not fetch the real sample videos.")
def demo(without_real_videos: bool) -> None:
    """Go from an empty checkout to a promotion decision: corpus, landing, assets, summary."""
    from dagster_project.demo import prepare, show

    started = time.monotonic()
    prepare(Project.find(), real_videos=not without_real_videos)
    failures = _bring_up_to_date(None)
    show(Project.find(), wall_s=time.monotonic() - started, failed=bool(failures))
    _end(failures)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(port: int) -> None:
    """Serve the Dagster UI on loopback, with its daemon (schedules, sensors, automation)."""
    from dagster_project.home import prepare_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(f"port {port} is in use; try: make ui PORT={port + 1}")
    click.echo(f"Dagster UI: http://127.0.0.1:{port} (stop with Ctrl-C)")
    command = ["dev", "-h", "127.0.0.1", "-p", str(port), "-m", "dagster_project.definitions"]
    os.environ["DAGSTER_HOME"] = str(prepare_home(Project.find()))
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, *command])


def _bring_up_to_date(only: tuple[str, ...] | None) -> list[StepFailure]:
    from dagster_project.up import bring_up_to_date

    def note(line: str) -> None:
        click.echo(line, err=True)

    return bring_up_to_date(Project.find(), only=only, say=click.echo, note=note)


def _end(failures: Sequence[StepFailure]) -> None:
    if failures:
        click.echo("\nFailed:", err=True)
        for failure in failures:
            where = f"{failure.step} ({failure.shard})" if failure.shard else failure.step
            click.echo(f"  {where}: {failure.reason}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except P4DError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
