"""Work on many videos in separate processes: whatever a file does costs its own row alone."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from p4d.errors import ComputeError, DatasetError, DecodeError, P4DError, TruthError
from p4d.foreign_text import one_line
from p4d.video.decoding.budget import ProcessBudget
from p4d.workers import end_with_parent

Job = TypeVar("Job")
Result = TypeVar("Result")

MAX_WORKERS = 2

# The server imports these once; every later worker is a fork of it and starts at once. A list that
# is given when the server runs already has no effect, so all callers give the same one.
_PRELOADED = [
    "p4d.video.landed_rows", "p4d.video.ingest", "p4d.video.clips", "p4d.video.source_frames",
    "p4d.truth",
]  # fmt: skip

_MACHINE_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO}
)
_MAX_REASON = 300


@dataclass(frozen=True)
class FileFault:
    """Why there is no result for a file."""

    reason: str


def per_video(
    function: Callable[[Job], Result], jobs: Sequence[Job], budget: ProcessBudget
) -> Iterator[Result | FileFault]:
    """Yield `function(job)` for every job, in order, or what its file did to it.

    Any error of the content of a file becomes a `FileFault`: an exception that names no file as
    well as one of ours, a process that died, a budget that was exceeded. When a process dies, all
    unfinished jobs run again, each in a process of its own, so that only the job at fault gives a
    fault.

    Args:
        function: importable; what it returns goes through a pipe.
        jobs: one per file.
        budget: what the work on one file may take of its process.

    Raises:
        P4DError: `function` raised one that is not about a file's content.
        ComputeError: worker processes cannot start.
        OSError: the machine is at fault: a full disk, a read error, too many open files.
    """
    if not jobs:
        return
    with _pool(min(MAX_WORKERS, os.cpu_count() or 1, len(jobs))) as pool:
        pending = [_submitted(pool, function, job, budget) for job in jobs]
        for job, future in zip(jobs, pending, strict=True):
            try:
                yield future.result() if future else _alone(function, job, budget)
            except BrokenProcessPool:
                yield _alone(function, job, budget)


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job, budget: ProcessBudget
) -> Future[Result | FileFault] | None:
    """None if the pool is already broken: a process may die while jobs are being submitted."""
    try:
        return pool.submit(_guarded, function, job, budget)
    except BrokenProcessPool:
        return None


def _alone(
    function: Callable[[Job], Result], job: Job, budget: ProcessBudget
) -> Result | FileFault:
    with _pool(1) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise ComputeError(
                "a worker process ends before it begins, and no file is the cause; a script that "
                'runs stages needs `if __name__ == "__main__":` around them, as each worker '
                "imports it"
            ) from error
        try:
            return pool.submit(_guarded, function, job, budget).result()
        except BrokenProcessPool:
            return FileFault(
                "the decoder crashed on this file, or did not come back within "
                f"{2 * budget.max_cpu_s:g} processor seconds"
            )


def _guarded(
    function: Callable[[Job], Result], job: Job, budget: ProcessBudget
) -> Result | FileFault:
    try:
        with budget.enforced():
            return function(job)
    except (DatasetError, DecodeError, TruthError) as error:
        return FileFault(one_line(error))
    except P4DError:
        raise
    except MemoryError:
        return FileFault("decoding needs more memory than landing.max_memory_bytes")
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _MACHINE_ERRORS:
            raise
        reason = one_line(f"cannot be read ({type(error).__name__}: {error})")
        return FileFault(reason[:_MAX_REASON])


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
