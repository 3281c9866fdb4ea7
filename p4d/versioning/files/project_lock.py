"""The project lock: one writer of artifacts, dvc.lock and ledger at a time.

A `flock`, so the system frees it when its holder dies. Reentrant within a thread. One machine
only: several machines take a clone each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from p4d.errors import PublishError
from p4d.project import Project

WAIT_S = 600.0
_POLL_S = 0.005
"""Between two tries; it is held for milliseconds, and the default of filelock is 50."""


@contextlib.contextmanager
def project_lock(project: Project, wait_s: float = WAIT_S) -> Iterator[bool]:
    """Hold the lock; yields whether this is the outermost hold of this thread.

    Raises:
        PublishError: another process keeps it for longer than `wait_s`.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    path = project.state / "lock"
    lock = FileLock(path, is_singleton=True)
    outermost = not lock.is_locked
    try:
        lock.acquire(timeout=wait_s, poll_interval=_POLL_S)
    except Timeout as error:
        raise PublishError(
            f"another process holds {path} for more than {wait_s:.0f} s; let it finish"
        ) from error
    try:
        yield outermost
    finally:
        lock.release()
