"""Work on many videos in separate processes: a file that crashes the decoder costs one row."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from p4d.workers import end_with_parent

Job = TypeVar("Job")
Result = TypeVar("Result")

MAX_WORKERS = 2


def per_video(function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Result | None]:
    """Yield `function(job)` for every job, in order; None if its process died.

    `function` must be importable and must return, not raise, the errors of its input. When a
    process dies, all unfinished jobs run again, each in a process of its own, so that only the job
    at fault gives None.
    """
    if not jobs:
        return
    with _pool(function, min(MAX_WORKERS, os.cpu_count() or 1, len(jobs))) as pool:
        pending = [_submitted(pool, function, job) for job in jobs]
        for job, future in zip(jobs, pending, strict=True):
            try:
                yield future.result() if future else _alone(function, job)
            except BrokenProcessPool:
                yield _alone(function, job)


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job
) -> Future[Result] | None:
    """None if the pool is already broken: a process may die while jobs are being submitted."""
    try:
        return pool.submit(function, job)
    except BrokenProcessPool:
        return None


def _alone(function: Callable[[Job], Result], job: Job) -> Result | None:
    with _pool(function, 1) as pool:
        try:
            return pool.submit(function, job).result()
        except BrokenProcessPool:
            return None


def _pool(function: Callable[[Job], Result], workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    # The server imports the libraries once; every later worker is a fork of it and starts at once.
    context.set_forkserver_preload([function.__module__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
