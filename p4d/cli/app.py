"""The command's entry point and its list of commands."""

from __future__ import annotations

import click

from p4d.cli import audit, data, ends, evaluate, explore, export, review, run, students, view
from p4d.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="p4d")
def cli() -> None:
    """From raw 4D videos to an audited 4D video-language model."""


for _module in (run, data, explore, audit, export, review, evaluate, students, view):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Run the command; an error of p4d ends with its message and status 1."""
    ends.run(cli)
