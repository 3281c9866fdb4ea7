"""`--set KEY=VALUE` of commands."""

from __future__ import annotations

from collections.abc import Iterable

import click


def settings_of(settings: Iterable[str]) -> dict[str, str]:
    """The values by key.

    Raises:
        click.BadParameter: a setting has no equals sign.
    """
    given = list(settings)
    if wrong := [setting for setting in given if "=" not in setting]:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--set")
    return dict(setting.split("=", 1) for setting in given)
