"""Names the points between two steps of a publish, so that a test can let the process die there.

Code that publishes calls `reached(name)`, which does nothing unless a test observes the points.
Recovery passes the same points, so a test can also kill a process that finishes the work of a dead
one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

CRASH_POINTS = (
    "computed", "cached", "journaled", "moved_aside", "swapped", "lock_prepared", "lock_written",
    "ledger_written", "journal_dropped",
)  # fmt: skip
"""All points, in the order in which a publish reaches them."""

Observer = Callable[[str], None]

_observer: ContextVar[Observer | None] = ContextVar("crash_points", default=None)


def reached(name: str) -> None:
    """Report one of `CRASH_POINTS` to the observer, if there is one."""
    observer = _observer.get()
    if observer is not None:
        observer(name)


@contextlib.contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Call `observer` with the name of every point that the block reaches."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)
