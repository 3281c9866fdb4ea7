"""The code of a stage as one folder of links, which DVC lists as one dependency.

`.code/STAGE/` has a link to each file of the stage's import closure, below the path of the file.
DVC follows links when it hashes a folder, so `dvc status` sees every edit of a file at once, and no
digest has to be kept up to date. The set of links changes with an import alone, and an import
changes by an edit of a listed file; `p4d` then writes the links, as it writes `dvc.yaml`.

The folder's hash follows from those of the files. Versions before named every file in every entry
of dvc.lock: `as_folder` and `as_files` turn one form into the other, without reading any file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.hashes import Digest, Tree

HOME = ".code"
"""Folder of the links, in git."""
_NO_CODE = ("data/", "shards/")


def path_of(stage: str) -> str:
    """The folder of a stage's links, relative to the project."""
    return f"{HOME}/{stage}"


def tree_of_code(code: Mapping[str, Digest | None]) -> Tree:
    """The folder of the links as DVC hashes it; without files that do not exist."""
    return Tree.of({path: digest for path, digest in code.items() if digest is not None})


# --- links ------------------------------------------------------------------------------------


def is_current(root: Path, stage: str, files: Iterable[str]) -> bool:
    """Whether the links of a stage are those to `files`, relative to the project at `root`."""
    return _links(root / path_of(stage)) == _wanted(stage, files)


def write(root: Path, stage: str, files: Iterable[str]) -> None:
    """Make the links of a stage those to `files`; folders that are left empty go."""
    home, wanted = root / path_of(stage), _wanted(stage, files)
    found = _links(home)
    for path in found.keys() - wanted.keys():
        (home / path).unlink()
    for path, target in wanted.items():
        if found.get(path) != target:
            link = home / path
            link.parent.mkdir(parents=True, exist_ok=True)
            partial = link.with_name(f".{link.name}.{os.getpid()}")
            partial.symlink_to(target)
            partial.replace(link)
    for folder, _, _ in os.walk(home, topdown=False):
        if not os.listdir(folder):  # noqa: PTH208 - os.walk gives text
            Path(folder).rmdir()


def _wanted(stage: str, files: Iterable[str]) -> dict[str, str]:
    """The target of each link, by its path below the stage's folder."""
    depth = path_of(stage).count("/")
    return {path: "../" * (depth + 1 + path.count("/")) + path for path in files}


def _links(home: Path) -> dict[str, str]:
    """The target of each link below a folder; empty for a file, which is no link of ours."""
    return dict(_links_in(os.fspath(home), ""))


def _links_in(folder: str, below: str) -> Iterator[tuple[str, str]]:
    # As text: every run looks at a hundred of them.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for entry in found:
            path = f"{below}{entry.name}"
            if entry.is_symlink():
                yield path, os.readlink(entry.path)  # noqa: PTH115 - as text
            elif entry.is_dir():
                yield from _links_in(entry.path, f"{path}/")
            else:
                yield path, ""


# --- entries of dvc.lock ----------------------------------------------------------------------


def code_of(entry: LockEntry) -> dict[str, Digest]:
    """The code files that an entry of an earlier version names, with their hashes."""
    return {
        path: digest
        for path, digest in entry.deps.items()
        if not digest.md5.endswith(".dir") and not path.startswith(_NO_CODE)
    }


def is_earlier_form(stage: str, block: str) -> bool:
    """Whether a block of dvc.lock names its code file by file."""
    return f"\n    - path: {path_of(stage)}\n" not in block


def as_folder(stage: str, entry: LockEntry) -> LockEntry:
    """An entry of an earlier version with its code as one folder, of exactly the same content."""
    code = code_of(entry)
    rest = {path: digest for path, digest in entry.deps.items() if path not in code}
    return replace(entry, deps={path_of(stage): Tree.of(code).digest, **rest})


def as_files(stage: str, entry: LockEntry, code: Mapping[str, Digest]) -> LockEntry:
    """An entry as earlier versions wrote it; `code` is the content of its folder."""
    rest = {path: digest for path, digest in entry.deps.items() if path != path_of(stage)}
    return replace(entry, deps={**code, **rest})
