"""Commands whose options have new names and still answer to the old ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from p4d.cli.echo import echo


class RenamedOptions(click.Command):
    """A command that accepts the old names of its options and prints the new ones."""

    def __init__(self, *args: Any, renamed: Mapping[str, str], **rest: Any) -> None:  # noqa: ANN401
        """Accept `renamed`, old names to new ones, beside the command's own options."""
        super().__init__(*args, **rest)
        self._renamed = renamed

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Replace old names before Click reads the arguments; those after `--` are no options."""
        end = args.index("--") if "--" in args else len(args)
        current = [self._current(arg) if k < end else arg for k, arg in enumerate(args)]
        return super().parse_args(ctx, current)

    def _current(self, arg: str) -> str:
        name, equals, value = arg.partition("=")
        if name not in self._renamed:
            return arg
        new = self._renamed[name]
        echo(f"{name} is now called {new}", err=True)
        return f"{new}{equals}{value}"
