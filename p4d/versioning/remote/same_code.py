"""Refuses a task whose code or packages are not those of this machine: other code, other bytes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from p4d.errors import RefusedError
from p4d.versioning.files.hashes import file_md5
from p4d.versioning.ledger import environment
from p4d.versioning.remote.task import RemoteTask

SHOWN = 5
"""Differences that a refusal names."""

_loaded_as: dict[str, str] = {}
"""MD5 of each code file when this process first verified it: what is in memory is that."""


def refuse_other_environment(task: RemoteTask) -> None:
    """Refuse a task of an environment with other packages.

    Raises:
        RefusedError: they differ; the message names which.
    """
    if task.environment == environment.environment_digest():
        return
    asked = dict(_pairs(task.packages))
    here = dict(_pairs(environment.installed()))
    differ = [
        f"{name} is {here.get(name, 'absent')}, the driver has {asked.get(name, 'none')}"
        for name in sorted({*asked, *here})
        if asked.get(name) != here.get(name)
    ]
    raise RefusedError(
        f"this worker has other packages: {'; '.join(differ[:SHOWN])}{_more(differ)}. Install both "
        "from one lock"
    )


def refuse_other_code(task: RemoteTask) -> None:
    """Refuse a task of other code than this machine has.

    Raises:
        RefusedError: a file is missing, differs, or changed after this process had loaded it.
    """
    differ = []
    for path, md5 in task.code.items():
        file = _file(path)
        found = file_md5(file) if file is not None and file.is_file() else "missing"
        if found != md5:
            differ.append(f"{path} is {'missing' if found == 'missing' else 'another'}")
        elif _loaded_as.setdefault(path, md5) != md5 and _module(path) in sys.modules:
            differ.append(f"{path} changed after this worker had loaded it")
    if differ:
        raise RefusedError(
            f"this worker has other code: {'; '.join(differ[:SHOWN])}{_more(differ)}. Install the "
            "driver's package on it and restart its processes"
        )


def _file(path: str) -> Path | None:
    """A code file on this machine, where its top-level package is importable from."""
    top, _, below = path.partition("/")
    found = importlib.util.find_spec(top)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / below


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _pairs(packages: str) -> list[tuple[str, str]]:
    lines = (line.partition("==") for line in packages.splitlines())
    return [(name, version) for name, _, version in lines]


def _more(differ: list[str]) -> str:
    return f"; and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
