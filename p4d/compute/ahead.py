"""Runs jobs side by side for a caller that asks for their results one after another."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from p4d.compute.engine import Engine, Job

Report = Callable[[str, int, int, str], None]
"""Takes the name of a job and its progress: done, total, note."""


class Ahead:
    """Jobs that run before their results are asked for; `close` ends what runs.

    All progress is passed on in the thread that waits for a result.
    """

    def __init__(self, engine: Engine) -> None:
        """Run jobs by `engine`, as many at once as it is wide; it is closed with this."""
        self._engine = engine
        self._threads = ThreadPoolExecutor(engine.width)
        self._jobs: dict[str, Future[Any]] = {}
        self._started: set[str] = set()
        self._news: queue.SimpleQueue[tuple[str, int, int, str] | None] = queue.SimpleQueue()

    def start(self, job: Job[Any]) -> None:
        """Run a job as soon as the engine is free; one of a name that was started is not again."""
        if job.name in self._started:
            return
        self._started.add(job.name)

        def progress(done: int, total: int, note: str) -> None:
            self._news.put((job.name, done, total, note))

        future = self._threads.submit(self._engine.run, job, progress)
        self._jobs[job.name] = future
        future.add_done_callback(lambda _: self._news.put(None))  # wakes who waits for it

    def has(self, name: str) -> bool:
        """Whether a job of this name was started and its result not taken yet."""
        return name in self._jobs

    def result(self, name: str, report: Report) -> Any:  # noqa: ANN401 - whatever the job gives
        """Wait for a job and take its result.

        Args:
            name: of a job that was started.
            report: takes the progress of all jobs until this one has ended.

        Raises:
            Exception: what the job raised.
        """
        future = self._jobs.pop(name)
        # What a job reported last may lie in the queue when it has ended.
        while not (future.done() and self._news.empty()):
            if (news := self._news.get()) is not None:
                report(*news)
        return future.result()

    def close(self) -> None:
        """End what still runs, and start nothing more."""
        for future in self._jobs.values():
            future.cancel()
        self._engine.close()
        self._threads.shutdown()
