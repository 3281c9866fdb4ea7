"""The setting of a machine: how many processes and which devices. It is `compute.yaml`.

The file lies beside params.yaml. It changes no result, so it is no parameter, and git ignores it:
each machine has its own. Without it everything runs in one process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from p4d.errors import ConfigError

SETTINGS_FILE = "compute.yaml"
VARIABLE = "P4D_COMPUTE"
"""Environment variable that names another file."""
ENGINES = ("local", "ray")

_MIB_PER_WORKER = 1536
"""What `workers: auto` reckons for a process, which holds torch, polars and a shard."""


@dataclass(frozen=True, kw_only=True)
class ComputeSettings:
    """Where stages run.

    Attributes:
        engine: `local` or `ray`.
        workers: artifacts that are made side by side. Locally each has a process; 1 is this one,
            unless `up` starts one ahead.
        checkers: processes for checks alone, which `up` starts beside the workers. With 0 and one
            worker everything runs in one process.
        cores: processors to share out among them.
        memory_mib: memory to share out.
        devices: GPUs, as `CUDA_VISIBLE_DEVICES` names them; a process uses one of them.
        ray: settings of Ray alone, as they are in the file.
    """

    engine: str = "local"
    workers: int = 1
    checkers: int = 1
    cores: int = 1
    memory_mib: int = 1024
    devices: tuple[str, ...] = ()
    ray: Mapping[str, Any] = field(default_factory=dict)


def read_settings(root: Path) -> ComputeSettings:
    """The settings of the project at `root`: `compute.yaml`, or the file that `P4D_COMPUTE` names.

    Raises:
        ConfigError: `P4D_COMPUTE` names no file, or a key is unknown or out of range.
    """
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else root / SETTINGS_FILE
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        if named:
            raise ConfigError(f"{VARIABLE} names {path}, which does not exist") from error
        raw = {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, got {raw!r}")
    return from_mapping(raw, path.name)


def from_mapping(raw: Mapping[str, Any], where: str = SETTINGS_FILE) -> ComputeSettings:
    """Check settings and fill in what the machine has.

    Args:
        raw: any of the attributes of `ComputeSettings`; `workers` may be `auto`: as many as cores
            and memory allow beside the checkers.
        where: names the source in messages.

    Raises:
        ConfigError: a key is unknown or out of range.
    """
    known = {each.name for each in fields(ComputeSettings)}
    if unknown := sorted(map(str, set(raw) - known)):
        raise ConfigError(f"{where}: unknown key {unknown}; known are {sorted(known)}")
    if (engine := raw.get("engine", "local")) not in ENGINES:
        raise ConfigError(f"{where}: engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    ray = raw.get("ray", {})
    if not isinstance(ray, dict):
        raise ConfigError(f"{where}: ray must hold keys and values, got {ray!r}")
    cores = _number(raw, "cores", _processors(), where)
    memory = _number(raw, "memory_mib", _memory_mib(), where)
    checkers = _number(raw, "checkers", 1, where, least=0)
    workers = raw.get("workers", 1)
    if workers == "auto":
        workers = max(1, min(cores, memory // _MIB_PER_WORKER) - checkers)
    return ComputeSettings(
        engine=engine,
        workers=_number({"workers": workers}, "workers", 1, where),
        checkers=checkers,
        cores=cores,
        memory_mib=memory,
        devices=_devices(raw.get("devices", []), where),
        ray=ray,
    )


def _number(raw: Mapping[str, Any], name: str, default: int, where: str, *, least: int = 1) -> int:
    value = raw.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{where}: {name} must be a whole number from {least} on, got {value!r}")
    return value


def _devices(raw: object, where: str) -> tuple[str, ...]:
    names = [str(name) for name in raw] if isinstance(raw, list) else None
    if names is None or not all(names) or len(set(names)) != len(names):
        raise ConfigError(f"{where}: devices must be a list of GPUs, each once, got {raw!r}")
    return tuple(names)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_mib() -> int:
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
