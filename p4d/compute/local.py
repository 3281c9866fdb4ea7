"""Worker processes of this machine, each of which makes one artifact at a time.

A worker is a fresh process with one device. It takes jobs over a pipe and answers with progress,
and then with the result or the error. If it dies, its job alone fails: publishing leaves the old
version or a journal that the next process carries out. The next job of its seat gets a new process.
A worker ends when the process that started it ends.

Checks may have workers of their own (`Helpers`): the next artifact is then made while the last one
is checked.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from p4d.compute import garbage
from p4d.compute.engine import Engine, Job, Result
from p4d.compute.freed_memory import keep_freed_memory
from p4d.compute.settings import ComputeSettings
from p4d.compute.share import Seat, Shares
from p4d.compute.stage_call import compute_here
from p4d.compute.threads import wait_without_spinning
from p4d.errors import ComputeError
from p4d.pipeline import Needs
from p4d.progress import Progress
from p4d.workers import end_with_parent

_END_S = 5.0
"""How long a worker may take to end before it is killed."""

CHECK = Needs()
"""What a check takes of a machine."""

Prepare = Callable[[], None]
"""Imports what jobs will need; importable itself."""


@dataclass(frozen=True, kw_only=True)
class Helpers:
    """Workers for checks alone, and what workers do while they have no job.

    Attributes:
        checkers: how many workers there are for checks. They take no share of the machine: a check
            is short.
        makers_prepare: called by a worker that makes artifacts, in order, until its first job.
        checkers_prepare: the same of a worker for checks.
    """

    checkers: int = 1
    makers_prepare: tuple[Prepare, ...] = ()
    checkers_prepare: tuple[Prepare, ...] = ()


class LocalWorkers(Engine):
    """Processes of this machine."""

    elsewhere = True

    def __init__(self, settings: ComputeSettings, helpers: Helpers | None = None) -> None:
        """Start nothing yet: each process begins with its first job, or with `start`.

        With devices there is a worker for each device at least.
        """
        self._helpers = helpers or Helpers(checkers=0)
        makers = max(settings.workers, len(settings.devices))
        # One more for each checker: a worker that makes has its next job before the checks end.
        self.width = makers + 2 * self._helpers.checkers
        self._devices = [*settings.devices, *[""] * (makers - len(settings.devices))]
        self._shares = Shares(
            cores=settings.cores, memory_mib=settings.memory_mib, devices=self._devices
        )
        checkers = self._helpers.checkers
        self._checks = (
            Shares(
                cores=checkers * CHECK.cores,
                memory_mib=checkers * CHECK.memory_mib,
                devices=[""] * checkers,
            )
            if checkers
            else self._shares
        )
        self._workers: dict[tuple[bool, int], _Worker] = {}
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the workers before there is a job, so that they import what they need meanwhile."""
        for number, device in enumerate(self._devices):
            self._worker(Seat(number, device), checks=False)
        for number in range(self._helpers.checkers):
            self._worker(Seat(number, ""), checks=True)

    def run(self, job: Job[Result], progress: Progress) -> Result:
        """Run a job in a worker, once cores, memory and a device are free for it."""
        own = job.checks and self._checks is not self._shares
        with (self._checks if own else self._shares).seat(job.needs) as seat:
            worker = None if seat is None else self._worker(seat, checks=own)
            if seat is None or worker is None:
                raise ComputeError(f"{job.name} was not started: the run was stopped")
            result: Result = worker.run(job, progress)
            return result

    def close(self) -> None:
        """End the workers; one that is at work is terminated, which tears no version."""
        with self._lock:
            self._closed = True
            workers = list(self._workers.values())
        self._shares.close()
        self._checks.close()
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()

    def _worker(self, seat: Seat, *, checks: bool) -> _Worker | None:
        """The living process of a seat; None once the engine is closed."""
        helpers, place = self._helpers, (checks, seat.number)
        with self._lock:
            if self._closed:
                return None
            worker = self._workers.get(place)
            if worker is None or not worker.is_alive():
                prepare = helpers.checkers_prepare if checks else helpers.makers_prepare
                worker = self._workers[place] = _Worker(seat, prepare)
            return worker


class _Worker:
    """The process of one seat, seen from the process that gives it jobs."""

    def __init__(self, seat: Seat, prepare: Sequence[Prepare]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        # Not a daemon: those may have no children, and stages decode in processes of their own.
        self._process = context.Process(
            target=_serve, args=(far, seat.device, prepare), name=f"p4d worker {seat.number}",
            daemon=False,
        )  # fmt: skip
        self._process.start()
        far.close()  # else the end of the process would not end the pipe
        self._at_work = False

    def is_alive(self) -> bool:
        return self._process.is_alive() and not self._pipe.closed

    def run(self, job: Job[Any], progress: Progress) -> Any:  # noqa: ANN401 - whatever the job gives
        self._at_work = True
        try:
            self._pipe.send((job.function, job.arguments))
            while True:
                match self._pipe.recv():
                    case ("progress", done, total, note):
                        progress(done, total, note)
                    case ("result", result):
                        return result
                    case ("error", error):
                        raise error
        except (EOFError, OSError) as error:
            ended = isinstance(error, EOFError | BrokenPipeError | ConnectionResetError)
            if not ended and not self._pipe.closed:
                raise  # of the job
            self._process.join(_END_S)
            raise ComputeError(
                f"{job.name}: its worker process {_how_it_ended(self._process.exitcode)}; nothing "
                "is torn, run it again"
            ) from error
        finally:
            self._at_work = False

    def stop(self) -> None:
        """Have it end: by itself if it has no job, so that it ends its own processes."""
        with contextlib.suppress(OSError, ValueError):
            if self._at_work:
                self._process.terminate()
            else:
                self._pipe.close()

    def join(self) -> None:
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "answers no more"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        reason = " (is the memory enough? see compute.yaml)" if name == "SIGKILL" else ""
        return f"was ended by {name}{reason}"
    return f"ended with code {code}"


def _serve(pipe: Connection, device: str, prepare: Sequence[Prepare]) -> None:
    """Run jobs until the pipe ends; the whole life of a worker."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that gives the jobs decides
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    wait_without_spinning()
    keep_freed_memory()
    with garbage.kept():
        for call in prepare:
            if pipe.poll():  # a job, or the end
                break
            # What cannot be imported fails the job that needs it, where it is reported.
            with contextlib.suppress(Exception):
                call()
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return

        def progress(done: int, total: int, note: str) -> None:
            pipe.send(("progress", done, total, note))

        try:
            pipe.send(("result", function(*arguments, progress=progress, compute=compute_here)))
        except Exception as error:  # noqa: BLE001 - the process that gave the job raises it again
            pipe.send(("error", _sendable(error)))


def _sendable(error: Exception) -> Exception:
    """The error, with its traceback as a note, or its text if it cannot be pickled."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    error.__cause__ = error.__context__ = None
    error = error.with_traceback(None)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - any error of its own pickling
        return ComputeError(f"{type(error).__name__}: {error}")
    return error
