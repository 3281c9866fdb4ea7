"""Puts files of the repository's top level into the wheel; pyproject.toml lists them.

A hook and not hatchling's own `force-include`, which copies the files into editable installs too:
they would hide edits of the checkout.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):  # type: ignore[type-arg, misc]
    """Adds the table `files` of the hook's configuration: path in the repository to path in it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built; `version` is `standard` or `editable`."""
        if version != "editable":
            build_data["force_include"].update(self.config["files"])
