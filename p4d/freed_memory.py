"""Keeps freed memory in the process, for loops that need as much again at once.

glibc maps large blocks anew for each use, and returns the end of its heap when that is free. A
training step frees all that its gradients needed and asks for it again in the next one, so the
kernel clears the same pages in every step.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of the settings of glibc's `mallopt`."""

_MOST = 2**31 - 1
_USUAL_TRIM, _USUAL_MMAP = 64 << 20, 32 << 20
"""Where glibc's own adaptation ends; it stops once a setting is given."""


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep what is freed in the block; it is returned at the end. Does nothing without glibc."""
    try:
        libc = ctypes.CDLL(None)
        mallopt, trim = libc.mallopt, libc.malloc_trim
    except (OSError, AttributeError, TypeError):  # musl and macOS have neither; Windows no library
        yield
        return
    mallopt(_TRIM_THRESHOLD, _MOST)
    mallopt(_MMAP_THRESHOLD, _MOST)
    try:
        yield
    finally:
        mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
        mallopt(_MMAP_THRESHOLD, _USUAL_MMAP)
        trim(0)
