"""The project: its root, its stages, its folders and its parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from p4d.config import Params
from p4d.distribution import link_code, repository_file, uses_installed_code
from p4d.errors import ConfigError, ContractError
from p4d.pipeline import STAGES, Stage


@dataclass(frozen=True)
class Project:
    """A project: its code, parameters and artifacts, and the stages it runs.

    It is a checkout of the repository, or a folder that `p4d init` made.

    Attributes:
        root: the folder that holds `dvc.yaml` and `params.yaml`.
        stages: the pipeline, upstream first. Tests give a pipeline of trivial stages.
        params_file: the parameters; default: `params.yaml` in `root`.
    """

    root: Path
    stages: tuple[Stage, ...] = field(default=STAGES, repr=False)
    params_file: Path | None = field(default=None, repr=False)

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project around `start` (default: `$P4D_ROOT`, else the working folder).

        One that depends on the installed package gets its links to it; see `p4d.distribution`.

        Raises:
            ConfigError: no parent folder holds both `dvc.yaml` and `params.yaml`, or the links
                cannot be made.
        """
        origin = start or Path(os.environ.get("P4D_ROOT") or Path.cwd())
        folder = _project_around(origin)
        if folder is not None:
            if uses_installed_code(folder):
                link_code(folder)
            return cls(folder)
        raise ConfigError(
            f"{origin} is not inside a p4d project (no dvc.yaml and params.yaml above it); "
            "change into one or set P4D_ROOT"
        )

    @classmethod
    def find_or_here(cls) -> Project:
        """The project around the working folder; outside of any, that folder itself.

        For commands that read no artifact. Outside of a project the parameters are those that the
        package ships.

        Raises:
            ConfigError: `$P4D_ROOT` is set and is not inside a project.
        """
        try:
            return cls.find()
        except ConfigError:
            if os.environ.get("P4D_ROOT") or _project_around(Path.cwd()) is not None:
                raise
        return cls(Path.cwd(), params_file=repository_file("params.yaml"))

    @cached_property
    def by_name(self) -> Mapping[str, Stage]:
        """The stages by name."""
        return {stage.name: stage for stage in self.stages}

    def stage(self, name: str) -> Stage:
        """Look a stage up.

        Raises:
            ContractError: the pipeline has no such stage; the message lists those it has.
        """
        if name not in self.by_name:
            raise ContractError(f"no stage called {name!r}; stages: {', '.join(self.by_name)}")
        return self.by_name[name]

    @cached_property
    def raw_params(self) -> dict[str, Any]:
        """`params.yaml` as plain values."""
        path = self.params_file or self.root / "params.yaml"
        try:
            loaded = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
        except yaml.YAMLError as error:
            raise ConfigError(f"params.yaml is not valid YAML: {error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"params.yaml is not UTF-8 ({error}); save it in that encoding"
            ) from error
        if not isinstance(loaded, dict):
            raise ConfigError("params.yaml must hold sections")
        return loaded

    @cached_property
    def params(self) -> Params:
        """`params.yaml`, checked."""
        return Params.from_mapping(self.raw_params)

    @property
    def data(self) -> Path:
        """The artifacts, one folder per stage: `data/<stage>[/<shard>]`."""
        return self.root / "data"

    @property
    def inbox(self) -> Path:
        """The drop folder."""
        return self.root / "inbox"

    @property
    def shards_dir(self) -> Path:
        """Shard manifests, versioned by git."""
        return self.root / "shards"

    @property
    def state(self) -> Path:
        """Locks, journals and caches of the publisher; never an artifact."""
        return self.root / ".p4d"

    def shards(self) -> list[str]:
        """Ids of the closed shards, in landing order."""
        index = self.shards_dir / "index.yaml"
        text = index.read_text(encoding="utf-8") if index.is_file() else ""
        loaded = yaml.load(text, _LOADER)
        shards = (loaded or {}).get("shards", [])
        if not isinstance(shards, list) or not all(isinstance(s, str) for s in shards):
            raise ConfigError(f"{index}: expected a list of shard ids under `shards`")
        return shards


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's safe loader, in C where there is one: ten thousand shards take seconds otherwise."""


def _project_around(start: Path) -> Path | None:
    """The nearest folder, `start` or above, that holds both `dvc.yaml` and `params.yaml`."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    return None
