"""Jobs that are begun before their caller is ready to ask for them.

A caller that still imports what it records with leaves worker processes idle. Chains of jobs run
meanwhile; when the caller asks for one of these jobs, it gets what that job gave.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from p4d.compute.engine import Engine, Job, Result
from p4d.progress import Progress

Chain = Generator[Job[Any], Any, None]
"""Yields jobs one after another, and is sent the result of each. An error ends it."""


class BegunJobs(Engine):
    """Runs jobs by another engine, some of them ahead of the one who asks for them."""

    elsewhere = True

    def __init__(self, engine: Engine) -> None:
        """Run jobs by `engine`, which is closed with this."""
        self.width = engine.width
        self._engine = engine
        self._begun: dict[str, _Begun] = {}
        self._asked = False
        self._lock = threading.Lock()

    def begin(self, chains: Iterable[Chain]) -> None:
        """Follow chains side by side, as many as the engine is wide, until the first `run`."""
        left = iter(chains)
        for _ in range(self.width):
            threading.Thread(target=self._follow, args=(left,), daemon=True).start()

    def run(self, job: Job[Result], progress: Progress) -> Result:
        """Run a job, or take what the same job gave or gives that was begun.

        A begun job of the same name with other arguments is waited for, and its result is dropped.
        """
        with self._lock:
            self._asked = True
            begun = self._begun.pop(job.name, None)
        if begun is not None:
            result: Result = begun.result(progress)
            if begun.job == job:
                return result
        return self._engine.run(job, progress)

    def close(self) -> None:
        """End the engine, and what was begun."""
        with self._lock:
            self._asked = True
        self._engine.close()

    def _follow(self, chains: Iterable[Chain]) -> None:
        while (chain := self._next(chains)) is not None:
            result = None
            while (begun := self._begin_next(chain, result)) is not None:
                try:
                    result = self._engine.run(begun.job, begun.progress)
                except Exception as error:  # noqa: BLE001 - raised to the one who asks for the job
                    begun.end_with(error)
                    break
                begun.end(result)

    def _next(self, chains: Iterable[Chain]) -> Chain | None:
        with self._lock:
            return None if self._asked else next(iter(chains), None)

    def _begin_next(self, chain: Chain, result: object) -> _Begun | None:
        """The next job of a chain, marked as begun; None if it has none, or a caller asks."""
        with self._lock:
            if self._asked:
                return None
            try:
                job = chain.send(result)
            except StopIteration:
                return None
            begun = self._begun[job.name] = _Begun(job)
            return begun


@dataclass(frozen=True)
class _Begun:
    """A job that runs, or has run, without anybody who asked for it."""

    job: Job[Any]
    _result: Future[Any] = field(default_factory=Future)
    _news: queue.SimpleQueue[tuple[int, int, str] | None] = field(default_factory=queue.SimpleQueue)

    def progress(self, done: int, total: int, note: str) -> None:
        self._news.put((done, total, note))

    def end(self, result: object) -> None:
        self._result.set_result(result)
        self._news.put(None)

    def end_with(self, error: Exception) -> None:
        self._result.set_exception(error)
        self._news.put(None)

    def result(self, progress: Progress) -> Any:  # noqa: ANN401 - whatever the job gives
        """Wait for the end; all progress is passed on here."""
        while (news := self._news.get()) is not None:
            progress(*news)
        return self._result.result()
