"""Which projects use a cache of DVC's that several share.

A project whose configuration names a cache outside of itself puts a file with its own path into
`p4d-projects/` of that cache. DVC leaves the folder alone: its objects lie in `files/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from p4d.atomic import replacing
from p4d.versioning.dvc.config import cache_dir

REGISTER = "p4d-projects"


def is_outside(root: Path) -> bool:
    """Whether the cache of the project at `root` lies outside of it: others may use it as well."""
    return not cache_dir(root).resolve().is_relative_to(root.resolve())


def register(root: Path) -> None:
    """Enter the project at `root` in the register of its cache, if the cache lies outside of it."""
    if not is_outside(root):
        return
    text = f"{root.resolve()}\n"
    path = _register(root) / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def registered(root: Path) -> Mapping[Path, Path]:
    """The other projects in the register of the cache: the file of each, by its root."""
    folder = _register(root)
    found = {
        Path(path.read_text(encoding="utf-8").rstrip("\n")): path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if not path.name.startswith(".")
    }
    return {other: path for other, path in found.items() if other != root.resolve()}


def _register(root: Path) -> Path:
    return cache_dir(root).parents[1] / REGISTER
