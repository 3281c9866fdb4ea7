"""Prints for people: what comes from outside cannot control their terminal."""

from __future__ import annotations

import click

from p4d.foreign_text import terminal


def echo(text: object, *, err: bool = False) -> None:
    """Print `text` with a line break, to standard error if `err`; control codes are escaped."""
    click.echo(terminal(text), err=err)
