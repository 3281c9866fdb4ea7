"""Names from outside, checked before they become paths: the only place where this is done.

A name comes from outside if somebody else can write it: a list of files in a cache or at a remote,
a reviewers' export, a drop folder, a benchmark's records, a bundle. Such a name may be anything:
absolute, `..`, empty, no text, with a NUL. An id has a pattern of its own and is no path at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from p4d.errors import ContractError

BATCH_ID = re.compile(r"review_[0-9a-f]{16}")
"""Id of a review batch, which names the file of its verdicts."""
QUESTION_ID = re.compile(r"qa_[0-9a-f]{16}")
"""Id of a question."""
FILE_ID = re.compile(r"[0-9a-f]{32}")
"""MD5 of a file, which names its object in DVC's cache."""
OBJECT_ID = re.compile(r"[0-9a-f]{32}(\.dir)?")
"""MD5 of an object in DVC's cache: of a file, or of the list of a folder's files."""

NAME_BYTES, PATH_BYTES = 255, 4000
"""Longest name and longest relative path that Linux's file systems store."""

_ASCII_PATH = re.compile(
    r"(?!\.{1,2}(?:/|\Z))[\x01-\x2e\x30-\x7f]{1,255}"
    r"(?:/(?!\.{1,2}(?:/|\Z))[\x01-\x2e\x30-\x7f]{1,255})*"
)


def checked_id(pattern: re.Pattern[str], value: object, what: str) -> str:
    """`value`, if the whole of it is an id of this pattern.

    Raises:
        ContractError: it is no text or has another form.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ContractError(f"{what} {_shown(value)} does not have the form {pattern.pattern}")
    return value


def relative_path(name: object) -> str:
    """`name`, if it is a relative POSIX path that stays below whatever folder it is joined to.

    Raises:
        ContractError: it is no text, absolute, too long, has an empty part, `.`, `..` or a NUL, or
            is no text that a file system can store.
    """
    if isinstance(name, str):
        if len(name) <= PATH_BYTES and _ASCII_PATH.fullmatch(name):
            return name
        if not name.isascii() and _is_storable(name):
            return name
    raise ContractError(
        f"{_shown(name)} is no relative path below a folder: absolute paths, empty parts, '.', "
        "'..', NUL and names over 255 bytes are not accepted"
    )


def relative_paths(names: Iterable[object]) -> list[str]:
    """All `names`, if together they can be the files of one folder.

    Raises:
        ContractError: a name is no relative path, occurs twice, or is a file and a folder.
    """
    checked = [relative_path(name) for name in names]
    files, folders = set(checked), set[str]()
    if len(files) != len(checked):
        twice = next(name for name in checked if checked.count(name) > 1)
        raise ContractError(f"{_shown(twice)} is listed twice")
    for name in checked:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    if both := sorted(files & folders):
        raise ContractError(f"{_shown(both[0])} is listed as a file and as a folder")
    return checked


def inside(folder: Path, name: str) -> Path:
    """The file `name` of a folder, with links resolved.

    Raises:
        ContractError: `name` is no relative path, or leads out of the folder through a link.
    """
    path = (folder / relative_path(name)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ContractError(f"{_shown(name)} leads out of {folder.name}")
    return path


def _is_storable(name: str) -> bool:
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return False
    parts = raw.split(b"/")
    return (
        len(raw) <= PATH_BYTES
        and b"\0" not in raw
        and not {b"", b".", b".."} & set(parts)
        and max(map(len, parts)) <= NAME_BYTES
    )


def _shown(value: object) -> str:
    """A value in a message: ASCII, without line breaks, cut."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
