"""The command `p4d explore`."""

from __future__ import annotations

import click

from p4d.cli.echo import echo
from p4d.project import Project


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3001, show_default=True, help="On 127.0.0.1."
)
@click.option(
    "--reviewer", help="Name on your verdicts; the page can change it. Default: git's user.email."
)
def explore(port: int, reviewer: str | None) -> None:
    """Show shards, clips, questions, answers and lineage in a browser; review questions there."""
    from p4d.explore.reviewing import default_reviewer
    from p4d.explore.server import serve

    project = Project.find()
    name = default_reviewer(project) if reviewer is None else reviewer
    serve(project, port=port, reviewer=name, note=echo)


COMMANDS = (explore,)
