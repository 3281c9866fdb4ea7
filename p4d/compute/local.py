"""Worker processes of this machine, each of which computes one artifact at a time.

A worker is a fresh process with one device. It takes jobs over pipes and answers with progress, and
then with the result or the error. While it publishes what a job computed, it computes the next one.
If it dies, these jobs alone fail: publishing leaves the old version or a journal that the next
process carries out. The next job of its seat gets a new process. A worker ends when the process
that started it ends.

Checks may have workers of their own (`Helpers`): the next artifact is then made while the last one
is checked.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from p4d.compute import garbage
from p4d.compute.engine import Engine, Job, Result
from p4d.compute.freed_memory import keep_freed_memory
from p4d.compute.settings import ComputeSettings
from p4d.compute.share import Seat, Shares
from p4d.compute.stage_call import Computed, StageCall, compute_here
from p4d.compute.threads import wait_without_spinning
from p4d.errors import ComputeError
from p4d.pipeline import Needs
from p4d.progress import Progress
from p4d.workers import end_with_parent

_END_S = 5.0
"""How long a worker may take to end before it is killed."""

_LANES = 2
"""Jobs that a worker has at once: it computes one and publishes the other."""

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
        makers_prepare: called by a worker that makes artifacts, in order, while no stage waits.
        checkers_prepare: the same of a worker for checks, beside its checks.
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
        self.width = _LANES * makers + 2 * self._helpers.checkers
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
        """Run a job in a worker, once cores, memory and a device are free for it.

        They are free again once it has computed; what it publishes takes none of them.
        """
        own = job.checks and self._checks is not self._shares
        with (self._checks if own else self._shares).seat(job.needs) as seat:
            worker = None if seat is None else self._worker(seat, checks=own)
            if seat is None or worker is None:
                raise ComputeError(f"{job.name} was not started: the run was stopped")
            lane = worker.free_lane()
            lane.give(job, progress)
        result: Result = lane.result(progress)
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
        pipes = [context.Pipe() for _ in range(_LANES)]
        # Not a daemon: those may have no children, and stages decode in processes of their own.
        self._process = context.Process(
            target=_serve, args=([far for _, far in pipes], seat.device, prepare),
            name=f"p4d worker {seat.number}", daemon=False,
        )  # fmt: skip
        self._process.start()
        self._free = queue.SimpleQueue[_Lane]()
        self._lanes = [_Lane(near, self) for near, _ in pipes]
        for lane in self._lanes:
            self._free.put(lane)
        for _, far in pipes:
            far.close()  # else the end of the process would not end the pipe
        self._ending = threading.Lock()

    def is_alive(self) -> bool:
        """Whether it may be given a job: also its pipes end before the system calls it dead."""
        return self._process.is_alive() and not any(lane.is_lost() for lane in self._lanes)

    def free_lane(self) -> _Lane:
        """A lane without a job; waits until there is one."""
        return self._free.get()

    def free(self, lane: _Lane) -> None:
        self._free.put(lane)

    def how_it_ended(self) -> str:
        """Wait for the end of the process, and describe it."""
        with self._ending:  # threads of both lanes wait for the same process
            self._process.join(_END_S)
            return _how_it_ended(self._process.exitcode)

    def stop(self) -> None:
        """Have it end: by itself if it has no job, so that it ends its own processes."""
        with contextlib.suppress(OSError, ValueError):
            if any(lane.at_work for lane in self._lanes):
                self._process.terminate()
            else:
                for lane in self._lanes:
                    lane.pipe.close()

    def join(self) -> None:
        with self._ending:
            self._process.join(_END_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        for lane in self._lanes:
            lane.pipe.close()


class _Lane:
    """One of the jobs that a worker has at once, over a pipe of its own."""

    def __init__(self, pipe: Connection, worker: _Worker) -> None:
        self.pipe, self._worker = pipe, worker
        self.at_work, self._lost = False, False
        self._name = ""
        self._answer: tuple[Any, ...] = ()

    def is_lost(self) -> bool:
        """Whether nothing answers at the other end."""
        return self.pipe.closed or self._lost

    def give(self, job: Job[Any], progress: Progress) -> None:
        """Give the worker a job, and wait until it has computed, or has ended it."""
        self.at_work, self._name = True, job.name
        try:
            self.pipe.send((job.function, job.arguments))
            self._answer = self._received(progress)
        except OSError as error:
            self._answer = self._end(error)
        except BaseException:  # what cannot go through a pipe
            self._leave()
            raise

    def result(self, progress: Progress) -> Any:  # noqa: ANN401 - whatever the job gives
        """Wait for the end of the job that was given."""
        try:
            if self._answer == ("computed",):
                self._answer = self._received(progress)
            match self._answer:
                case ("result", result):
                    return result
                case ("error", error):
                    raise error
                case ("lost", error):
                    raise ComputeError(
                        f"{self._name}: its worker process {self._worker.how_it_ended()}; nothing "
                        "is torn, run it again"
                    ) from error
        finally:
            self._leave()

    def _received(self, progress: Progress) -> tuple[Any, ...]:
        """The next answer that is no progress."""
        while True:
            try:
                answer: tuple[Any, ...] = self.pipe.recv()
            except (EOFError, OSError) as error:
                return self._end(error)
            if answer[0] != "progress":
                return answer
            progress(*answer[1:])

    def _end(self, error: Exception) -> tuple[str, Exception]:
        self._lost = True
        return ("lost", error)

    def _leave(self) -> None:
        self.at_work, self._answer = False, ()
        self._worker.free(self)


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "answers no more"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        reason = " (is the memory enough? see compute.yaml)" if name == "SIGKILL" else ""
        return f"was ended by {name}{reason}"
    return f"ended with code {code}"


def _serve(pipes: Sequence[Connection], device: str, prepare: Sequence[Prepare]) -> None:
    """Run jobs until the pipes end; the whole life of a worker."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that gives the jobs decides
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    wait_without_spinning()
    keep_freed_memory()
    computing = _Computing(prepare)
    lanes = [threading.Thread(target=computing.serve, args=(pipe,)) for pipe in pipes]
    for lane in lanes:
        lane.start()
    computing.until_ended(lanes)


class _Computing:
    """Runs the functions of stages in the main thread of a worker, one after another.

    Its lanes are threads, which look inputs up, publish and check. A stage so has the main thread
    and the device to itself, and its cost leaves out what the lanes do meanwhile. As long as no
    stage waits, the main thread imports what later jobs need.
    """

    def __init__(self, prepare: Sequence[Prepare]) -> None:
        self._prepare = list(prepare)
        self._calls = queue.SimpleQueue[Callable[[], None] | None]()
        self._lanes: Sequence[threading.Thread] = ()

    def until_ended(self, lanes: Sequence[threading.Thread]) -> None:
        """Compute what the lanes ask for, until all of them have ended."""
        self._lanes, left = lanes, len(lanes)
        while left:
            if self._prepare and self._calls.empty():
                self._prepare_next()
                continue
            call = self._calls.get()
            if call is None:
                left -= 1
            else:
                call()

    def _prepare_next(self) -> None:
        # What cannot be imported fails the job that needs it, where it is reported.
        with garbage.kept(), contextlib.suppress(Exception):
            self._prepare.pop(0)()

    def serve(self, pipe: Connection) -> None:
        """Run the jobs of one pipe until it ends; the life of a lane."""
        try:
            while True:
                try:
                    function, arguments = pipe.recv()
                except (EOFError, OSError):
                    return
                self._run(pipe, function, arguments)
        finally:
            self._calls.put(None)

    def _run(
        self, pipe: Connection, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> None:
        def progress(done: int, total: int, note: str) -> None:
            pipe.send(("progress", done, total, note))

        def compute(call: StageCall, progress: Progress) -> Computed:
            done = self._in_main_thread(call, progress)
            pipe.send(("computed",))
            return done

        try:
            pipe.send(("result", function(*arguments, progress=progress, compute=compute)))
        except Exception as error:  # noqa: BLE001 - the process that gave the job raises it again
            pipe.send(("error", _sendable(error)))

    def _in_main_thread(self, call: StageCall, progress: Progress) -> Computed:
        done = Future[Computed]()

        def run() -> None:
            try:
                done.set_result(compute_here(call, progress, beside=self._lanes))
            except Exception as error:  # noqa: BLE001 - raised in the lane that asked
                done.set_exception(error)

        self._calls.put(run)
        return done.result()


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
