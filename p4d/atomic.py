"""Writes that appear whole or not at all; the durable ones also survive a power cut.

`replacing` is the one way by which files of this project replace others: everything is written
beside the target and renamed over it. What an artifact consists of is not flushed one file at a
time, as publishing stores it durably in the cache; journals, locks and cache objects are `durable`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(
    path: Path, *, durable: bool = False, temporary: Path | None = None
) -> Iterator[Path]:
    """Yield a path to write to; when the block ends, the file there replaces `path`.

    If the block raises, `path` stays as it was and the temporary file is removed.

    Args:
        path: the file to write or replace.
        durable: flush the content to disk before the rename. The rename itself is durable after
            `sync_folder`.
        temporary: default `.NAME.tmpPID` beside `path`, so that processes do not meet.
    """
    temporary = temporary or path.with_name(f".{path.name}.tmp{os.getpid()}")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_durably(path: Path, payload: bytes) -> None:
    """Write bytes, flush them to disk, and rename them into place.

    For files that one process at a time writes: the temporary file is `.NAME.tmp`, so that one
    that a killed process left is overwritten by the next.
    """
    with replacing(path, durable=True, temporary=path.with_name(f".{path.name}.tmp")) as temporary:
        temporary.write_bytes(payload)


def write_flushed(path: Path, payload: bytes) -> None:
    """Write bytes to a temporary path and flush them to disk; the caller renames them."""
    try:
        path.write_bytes(payload)
        _sync(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename survives a power cut."""
    _sync(folder)


def out_of_space(error: OSError) -> bool:
    """Whether an error means that the disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
