"""The environment of a run: which packages were installed, and which lock they came from.

A ledger line names both by SHA-256. The list itself is kept once beside the ledger, under its
digest, so that the environment of any version can be listed and made again.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from p4d.atomic import write_durably
from p4d.errors import LedgerError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.ledger.ledger import BRANCH
from p4d.versioning.ledger.problem import Problem

LISTS = "data/ledger/environments"
LOCK_NAME = "p4d-lock.txt"  # scripts/setup.sh writes it into the virtual environment


@functools.lru_cache(maxsize=1)
def installed() -> str:
    """Python's version and the sorted `name==version` of every installed package, one per line."""
    # Read from the names of the metadata folders: opening each of 300 takes half a second.
    found = {f"python=={sys.version.split()[0]}"}
    for entry in filter(None, sys.path):
        if "thirdparty_files" in entry:  # what Ray brings for itself, once it is imported
            continue
        for folder in Path(entry).glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found.add(f"{name.lower()}=={version}")
    return "\n".join(sorted(found))


def environment_digest() -> str:
    """SHA-256 of `installed`."""
    return hashlib.sha256(installed().encode()).hexdigest()


@functools.lru_cache(maxsize=1)
def lock_digest() -> str | None:
    """SHA-256 of the lock that this environment was made from; None if it came from elsewhere."""
    path = Path(sys.prefix) / LOCK_NAME
    return sha256_file(path) if path.is_file() else None


def keep_list(project: Project) -> None:
    """Keep the list of this environment beside the ledger, under its digest."""
    path = _path(project, environment_digest())
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, installed().encode())


def kept_list(project: Project, digest: str) -> tuple[str, ...]:
    """The packages of the environment with this digest, as `name==version`.

    Raises:
        FileNotFoundError: no list of it was kept; before version 0.2.0 none was.
        LedgerError: the list was altered.
    """
    path = _path(project, digest)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        shown = path.relative_to(project.root)
        raise LedgerError(f"{shown} was altered: its SHA-256 is not {digest}")
    return tuple(content.decode().split("\n"))


def list_problems(project: Project) -> Iterator[Problem]:
    """Kept lists that were altered, and files among them that are none."""
    folder = project.root / LISTS
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        shown = f"{LISTS}/{path.name}"
        if not path.is_file() or not re.fullmatch(r"[0-9a-f]{64}\.txt", path.name):
            yield Problem("orphaned", shown, "is no list of an environment")
        elif sha256_file(path) != path.stem:
            restore = f"`git show {BRANCH}:{shown} > {shown}` may restore it"
            yield Problem("altered", shown, f"its SHA-256 is not its name; {restore}")


def _path(project: Project, digest: str) -> Path:
    return project.root / LISTS / f"{digest}.txt"
