"""Imports without the collector of reference cycles.

What an import makes stays. The collector walks all of it again and again while it grows: a sixth of
the processor time of importing Dagster, torch or Great Expectations.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Collect nothing in the block, and leave what it made out of every later collection."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
