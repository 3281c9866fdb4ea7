"""The project: its root, its folders and its parameters."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from p4d.config.params import Params
from p4d.errors import ConfigError


@dataclass(frozen=True)
class Project:
    """A checkout of the repository: where code, parameters and artifacts live."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project around `start` (default: `$P4D_ROOT`, else the working folder).

        Raises:
            ConfigError: no parent folder holds both `dvc.yaml` and `params.yaml`.
        """
        origin = start or Path(os.environ.get("P4D_ROOT", Path.cwd()))
        for folder in (origin.resolve(), *origin.resolve().parents):
            if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
                return cls(folder)
        raise ConfigError(
            f"{origin} is not inside a p4d project (no dvc.yaml and params.yaml above it); "
            "change into one or set P4D_ROOT"
        )

    @cached_property
    def raw_params(self) -> dict[str, Any]:
        """`params.yaml` as plain values, for hashing."""
        try:
            loaded = yaml.safe_load((self.root / "params.yaml").read_text())
        except yaml.YAMLError as error:
            raise ConfigError(f"params.yaml is not valid YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError("params.yaml must hold sections")
        return loaded

    @cached_property
    def params(self) -> Params:
        """`params.yaml`, checked."""
        return Params.from_mapping(self.raw_params)

    @property
    def data(self) -> Path:
        """Artifacts, one folder per stage: `data/<stage>[/<shard>]`."""
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
        loaded = yaml.safe_load(index.read_text()) if index.is_file() else None
        shards = (loaded or {}).get("shards", [])
        if not isinstance(shards, list) or not all(isinstance(s, str) for s in shards):
            raise ConfigError(f"{index}: expected a list of shard ids under `shards`")
        return shards
