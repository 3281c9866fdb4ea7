"""Opens the engine that the settings of a project name."""

from __future__ import annotations

from pathlib import Path

from p4d.compute.engine import Engine, ThisProcess
from p4d.compute.local import LocalWorkers
from p4d.compute.settings import ComputeSettings, read_settings
from p4d.errors import ConfigError


def open_engine(root: Path, settings: ComputeSettings | None = None) -> Engine:
    """The engine of a project.

    Args:
        root: of the project.
        settings: default: those of the project on this machine.

    Raises:
        ConfigError: the settings cannot be read.
        ComputeError: the engine cannot be reached.
    """
    settings = read_settings(root) if settings is None else settings
    if settings.engine != "local":
        raise ConfigError(f"engine {settings.engine} is not there yet; use local")
    if settings.workers == 1 and not settings.devices:
        return ThisProcess()
    return LocalWorkers(settings)
