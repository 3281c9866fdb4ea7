"""Prints for people: what comes from outside cannot control their terminal."""

from __future__ import annotations

import click

from p4d.foreign_text import terminal
from p4d.project import Project


def echo(text: object, *, err: bool = False) -> None:
    """Print `text` with a line break, to standard error if `err`; control codes are escaped."""
    click.echo(terminal(text), err=err)


def name_missing_ledger(project: Project) -> None:
    """In a clone that has no ledger yet: print the command that brings it, to standard error."""
    from p4d.versioning.ledger.adopt import left_behind

    if missing := left_behind(project):
        echo(f"ledger: {missing}", err=True)
