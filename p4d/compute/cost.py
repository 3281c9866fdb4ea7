"""What a run cost: wall and processor seconds and memory, of this process and its workers."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

_SAMPLE_EVERY_S = 0.1
_PROC = "/proc"


class Cost:
    """Measures a block: wall and CPU seconds, and peak memory, workers included.

    A worker is any process that descends from this one. Those that a fork server starts are its
    children and not ours, so the seconds of living descendants are read too, with those of the
    children that they have waited for.

    `max_rss_bytes` is the peak of this process during the block if the system reports it, else of
    its whole life, plus the largest sum of the peaks of its living workers. Pages that they share
    count for each. Workers are looked at every tenth of a second. `step_rss_bytes` is by how much
    it exceeds what was resident at the beginning: libraries and data of earlier steps are no cost
    of this one.
    """

    def __init__(self, beside: Sequence[threading.Thread] = ()) -> None:
        """Nothing is measured before the block begins.

        Args:
            beside: living threads of this process whose seconds are no cost of the block.
        """
        self.values: dict[str, float | int] = {}
        self._beside = beside

    def __enter__(self) -> Cost:
        """Begin."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        me, workers = os.getpid(), _workers_bytes("VmRSS")
        self._resident = (_status_bytes(me, "VmRSS") or 0) + workers
        self._workers = _WorkerPeak()
        self._wall, self._cpu = time.perf_counter(), self._cpu_s()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; `values` is filled."""
        peak = _peak_bytes() + self._workers.end()
        self.values = {
            "wall_s": round(time.perf_counter() - self._wall, 3),
            "cpu_s": round(self._cpu_s() - self._cpu, 3),
            "max_rss_bytes": peak,
            "step_rss_bytes": max(0, peak - self._resident),
        }

    def _cpu_s(self) -> float:
        return _cpu_s() - sum(map(_thread_cpu_s, self._beside))


class _WorkerPeak:
    """Looks at the memory of the workers until `end`."""

    def __init__(self) -> None:
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_EVERY_S):
            self._peak = max(self._peak, _workers_bytes("VmHWM"))

    def end(self) -> int:
        """The largest sum so far, in bytes."""
        self._ended.set()
        self._thread.join()
        return max(self._peak, _workers_bytes("VmHWM"))


def _cpu_s() -> float:
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return own + sum(_stat_cpu_s(pid) for pid in _descendants(os.getpid()))


def _thread_cpu_s(thread: threading.Thread) -> float:
    """Seconds of a living thread; 0 where the system does not tell them apart (macOS)."""
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    if clock_of is None or not thread.is_alive():
        return 0.0
    return time.clock_gettime(clock_of(thread.ident))


def _stat_cpu_s(pid: int) -> float:
    """Seconds of a process and of its finished children; 0 if it is gone (proc(5), stat)."""
    with contextlib.suppress(OSError, ValueError):
        text = _read(f"{_PROC}/{pid}/stat")
        fields = text.rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _descendants(pid: int) -> Iterator[int]:
    """All living processes below a process; none where the system does not list them."""
    with contextlib.suppress(OSError), os.scandir(f"{_PROC}/{pid}/task") as threads:
        for thread in threads:
            for child in _read(f"{thread.path}/children").split():
                yield int(child)
                yield from _descendants(int(child))


def _workers_bytes(name: str) -> int:
    return sum(_status_bytes(pid, name) or 0 for pid in _descendants(os.getpid()))


def _peak_bytes() -> int:
    peak = _status_bytes(os.getpid(), "VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if peak is None else peak


def _status_bytes(pid: int, name: str) -> int | None:
    """An amount of memory of a process; None if the system does not report it (not Linux)."""
    with contextlib.suppress(OSError):
        _, found, behind = _read(f"{_PROC}/{pid}/status").partition(f"\n{name}:")
        return int(behind.split(maxsplit=1)[0]) * 1024 if found else None
    return None


def _read(path: str) -> str:
    """A small file of /proc; ten times a second, so without the machinery of `pathlib`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16).decode(errors="replace")
    finally:
        os.close(descriptor)
