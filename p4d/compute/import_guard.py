"""Refuses to run code that is not the code on disk, which is what gets recorded.

A process keeps the modules that it has imported. If their files change afterwards, or the modules
came from another checkout, hashing the files would name code that never ran.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType

from p4d.errors import PublishError
from p4d.pipeline import Stage, StageInputs, StageReport

_loaded_as: weakref.WeakKeyDictionary[ModuleType, str] = weakref.WeakKeyDictionary()
"""Hash of the source of each module of a stage's code, as this process loaded it."""


def load(
    root: Path, stage: Stage, code: Mapping[str, str]
) -> Callable[[StageInputs, Path], StageReport]:
    """Import the stage's function, once it is sure that its code in memory is the code on disk.

    Args:
        root: of the project.
        stage: what is about to run.
        code: MD5 of every file of its code as it is on disk, by path below `root`.

    Raises:
        PublishError: a source file changed after this process had imported it.
    """
    for path, module in _loaded_modules(root, code):
        touched_ns = (root / path).stat().st_mtime_ns
        if module not in _loaded_as and touched_ns > _process_start_ns():
            raise PublishError(_RESTART.format(path))
    function = stage.load()
    for path, module in _loaded_modules(root, code):
        if _loaded_as.setdefault(module, code[path]) != code[path]:
            raise PublishError(_RESTART.format(path))
    return function


_RESTART = (
    "{} changed after this process had loaded it; restart the process, so that what runs is what "
    "is recorded"
)


@functools.lru_cache(maxsize=1)
def _process_start_ns() -> int:
    try:
        ticks = int(
            Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        )
        boot_s = int(
            Path("/proc/stat").read_text(encoding="utf-8").partition("btime ")[2].split()[0]
        )
    except (OSError, ValueError, IndexError):
        return 2**63
    # The boot time is in whole seconds; the interpreter read no source before this anyway.
    return round((boot_s + ticks / os.sysconf("SC_CLK_TCK") + 1) * 1e9)


def _loaded_modules(root: Path, code: Iterable[str]) -> list[tuple[str, ModuleType]]:
    """The stage's modules that are in memory, with their paths in the project.

    Raises:
        PublishError: one was loaded from elsewhere, so what runs is not what would be recorded.
    """
    found = []
    for path in code:
        if not path.endswith(".py"):
            continue
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is None or file is None:
            continue
        expected = root / path
        if file != str(expected) and not (Path(file).exists() and expected.samefile(file)):
            raise PublishError(
                f"{name} is loaded from {file}, not from this project; run with the project's own "
                f"code: PYTHONPATH={root}"
            )
        found.append((path, module))
    return found
