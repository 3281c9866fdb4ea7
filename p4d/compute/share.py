"""Shares a machine out among jobs: cores, memory and devices, each given to one job at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from p4d.pipeline import Needs


@dataclass(frozen=True)
class Seat:
    """The right to run one job.

    Attributes:
        number: of the worker, from 0.
        device: the worker's GPU, as `CUDA_VISIBLE_DEVICES` names it; empty without one.
    """

    number: int
    device: str


@dataclass(frozen=True, eq=False)
class _Ticket:
    needs: Needs


class Shares:
    """Gives seats to jobs as long as cores and memory last.

    A job that needs more than there is at all runs alone: a machine that is too small by the book
    still does the work. Who waits longest is served first, so that a large job is not passed by for
    ever; only a job that waits for a GPU holds up no job that uses none.
    """

    def __init__(self, *, cores: int, memory_mib: int, devices: list[str]) -> None:
        """Share out.

        Args:
            cores: processors.
            memory_mib: memory.
            devices: GPU of each worker; empty for a worker without one.
        """
        self._all = Needs(cores=cores, memory_mib=memory_mib)
        self._cores, self._memory_mib = cores, memory_mib
        self._free = [Seat(number, device) for number, device in enumerate(devices)]
        self._has_gpu = any(devices)
        self._queue: list[_Ticket] = []
        self._changed = threading.Condition()
        self._closed = False

    @contextlib.contextmanager
    def seat(self, needs: Needs) -> Iterator[Seat | None]:
        """Wait for a seat and keep it for the block; None once the shares are closed."""
        ticket = _Ticket(needs)
        cores = min(needs.cores, self._all.cores)
        memory_mib = min(needs.memory_mib, self._all.memory_mib)
        with self._changed:
            self._queue.append(ticket)
            while not self._closed and not (
                self._next() is ticket and self._cores >= cores and self._memory_mib >= memory_mib
            ):
                self._changed.wait()
            self._queue.remove(ticket)
            found = None if self._closed else self._fitting(needs)
            if found is not None:
                self._free.remove(found)
                self._cores -= cores
                self._memory_mib -= memory_mib
            self._changed.notify_all()
        try:
            yield found
        finally:
            if found is not None:
                with self._changed:
                    self._free.append(found)
                    self._cores += cores
                    self._memory_mib += memory_mib
                    self._changed.notify_all()

    def close(self) -> None:
        """Let everyone who waits go without a seat."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> _Ticket | None:
        """Whose turn it is: of those for whom there is a seat, the one who waits longest."""
        return next((each for each in self._queue if self._fitting(each.needs)), None)

    def _fitting(self, needs: Needs) -> Seat | None:
        """A free seat; one with a GPU exactly if the job uses one and the machine has any."""
        if needs.gpu and self._has_gpu:
            fitting = [seat for seat in self._free if seat.device]
        else:  # seats without a GPU first: one with it is then left to those that use it
            fitting = sorted(self._free, key=lambda seat: (bool(seat.device), seat.number))
        return fitting[0] if fitting else None
