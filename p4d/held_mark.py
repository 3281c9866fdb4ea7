"""A mark beside a folder that one living process holds; the kernel frees it when that dies."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(mark: Path) -> Iterator[bool]:
    """Hold the file `mark` while open; False if another process holds it."""
    with mark.open("a", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
