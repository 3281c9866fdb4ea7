"""Command line of the orchestration: `python -m dagster_project demo | up | ui | sensors`."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p4d.cli import ends
from p4d.cli.echo import echo
from p4d.compute import garbage
from p4d.project import Project

if TYPE_CHECKING:
    from dagster_project.todo import StepFailure


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Materialize p4d's assets through Dagster."""


@main.command()
@click.option("--only", multiple=True, help="Restrict to these stages.")
def up(only: tuple[str, ...]) -> None:
    """Land new files of the inbox and materialize everything that is not fresh."""
    from p4d.video.landing import land

    echo(land(Project.find()).summary(), err=True)
    _end(_bring_up_to_date(only or None))


@main.command()
@click.option("--without-real-videos", is_flag=True, help="Do not fetch the real sample videos.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A preset that is written into params.yaml before anything has landed.",
)
def demo(without_real_videos: bool, settings: Path | None) -> None:
    """Go from an empty checkout to a promotion decision: corpus, landing, assets, summary."""
    from dagster_project.demo import apply_settings, prepare, show

    started = time.monotonic()
    if settings is not None:
        apply_settings(Project.find(), settings)
    prepare(Project.find(), real_videos=not without_real_videos)
    failures = _bring_up_to_date(None)
    show(Project.find(), wall_s=time.monotonic() - started, failed=bool(failures))
    _end(failures)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(port: int) -> None:
    """Serve the Dagster UI on loopback, with its daemon (schedules, sensors, automation)."""
    from dagster_project.ui.services import serve

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(f"port {port} is in use; try: make ui PORT={port + 1}")
    serve(Project.find(), port, echo)


@main.command()
@click.option("--recommended", is_flag=True, help="Switch the recommended set on.")
@click.option("--on", "on", multiple=True, metavar="NAME", help="Switch this one on; repeatable.")
@click.option("--off", "off", multiple=True, metavar="NAME", help="Switch this one off.")
def sensors(recommended: bool, on: tuple[str, ...], off: tuple[str, ...]) -> None:
    """List the sensors and schedules, and switch them on or off; the UI shows the same state."""
    from dagster_project.ui.switches import recommended as recommended_names
    from dagster_project.ui.switches import switch

    wanted = [*(recommended_names() if recommended else ()), *on]
    for line in switch(Project.find(), on=wanted, off=off):
        echo(line)


def _bring_up_to_date(only: tuple[str, ...] | None) -> list[StepFailure]:
    from dagster_project.todo import NOTHING, look

    todo = look(Project.find(), only)
    if todo.is_done():
        if not todo.blocked:
            echo(NOTHING)
        return todo.blocked

    from dagster_project.shards.workers import workers_ahead

    def note(line: str) -> None:
        echo(line, err=True)

    with workers_ahead(todo.project, todo.batches) as workers:
        with garbage.kept():
            from dagster_project.up import bring_up_to_date

        return bring_up_to_date(todo, say=echo, note=note, shard_workers=workers)


def _end(failures: Sequence[StepFailure]) -> None:
    if failures:
        echo("\nFailed:", err=True)
        for failure in failures:
            where = f"{failure.step} ({failure.shard})" if failure.shard else failure.step
            echo(f"  {where}: {failure.reason}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    ends.run(main)
