"""Writes that survive a power cut, and how a full disk shows."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_durably(path: Path, payload: bytes, *, rename: bool = True, sync: bool = True) -> None:
    """Write bytes, flush them to disk, and rename into place."""
    temporary = path.with_name(f".{path.name}.tmp") if rename else path
    try:
        with temporary.open("wb") as stream:
            stream.write(payload)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if rename:
        temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def out_of_space(error: OSError) -> bool:
    """Whether an error means that there is no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
