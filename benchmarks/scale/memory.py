"""Peak resident memory of `up` and its worker processes, read from /proc while they live."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EVERY_S = 0.05


@dataclass(frozen=True)
class _Seen:
    """A process below this one: how far below, what it runs, and its peak so far."""

    depth: int
    command: str
    peak_kib: int


@contextlib.contextmanager
def watched_processes() -> Iterator[dict[str, int]]:
    """Yield a table that holds peaks in MB when the block, which runs `up` once, has ended.

    `records` is `up` itself, `makes` and `checks` its workers in the order in which it starts them,
    `decodes` the largest process below those.
    """
    seen: dict[int, _Seen] = {}
    ended, peaks_mb = threading.Event(), dict[str, int]()
    thread = threading.Thread(target=_watch, args=(ended, seen))
    thread.start()
    try:
        yield peaks_mb
    finally:
        ended.set()
        thread.join()
    ordered = [each for _, each in sorted(seen.items())]
    (up,) = [each for each in ordered if each.depth == 1 and "dagster_project" in each.command]
    makes, checks = [e for e in ordered if e.depth == 2 and "spawn_main" in e.command]
    decodes = max((e for e in ordered if e.depth > 2), key=lambda each: each.peak_kib)
    named = {"records": up, "makes": makes, "checks": checks, "decodes": decodes}
    peaks_mb |= {role: round(each.peak_kib * 1.024e-3) for role, each in named.items()}


def _watch(ended: threading.Event, seen: dict[int, _Seen]) -> None:
    while not ended.wait(_EVERY_S):
        for pid, depth in _descendants().items():
            with contextlib.suppress(OSError):  # it has ended
                folder = Path("/proc") / str(pid)
                command = (folder / "cmdline").read_text(encoding="utf-8", errors="replace")
                status = (folder / "status").read_text(encoding="utf-8", errors="replace")
                if peak := re.search(r"VmHWM:\s+(\d+)", status):
                    seen[pid] = _Seen(depth, command, int(peak[1]))


def _descendants() -> dict[int, int]:
    """Processes below this one, and how far below."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: dict[int, int] = {}
    for pid in parents:
        above, depth = pid, 0
        while above in parents and above != os.getpid():
            above, depth = parents[above], depth + 1
        if above == os.getpid() and depth:
            found[pid] = depth
    return found
