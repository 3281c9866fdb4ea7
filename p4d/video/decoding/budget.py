"""What one file may cost: pixels, frames, seconds of video, processor time and memory.

Anybody can write 900 bytes that decode to gigabytes. A file that exceeds its budget is rejected
with the limit that it exceeded; the limits are in section `landing` of params.yaml.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from p4d.config import LandingParams
from p4d.errors import DecodeError

MAX_PICTURE_PX = 8192 * 8192
"""Largest picture where no parameters say otherwise."""

_HANG_FACTOR = 2
_WATCH_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class FileBudget:
    """Limits of the content of one file; without arguments, of the size of its pictures alone.

    Attributes:
        max_duration_s: seconds from the first picture to the last.
        max_picture_px: width times height of a picture.
        max_frames: number of pictures.
        max_decoded_px: pixels of all pictures together.
    """

    max_duration_s: float = math.inf
    max_picture_px: int = MAX_PICTURE_PX
    max_frames: float = math.inf
    max_decoded_px: float = math.inf

    @classmethod
    def of(cls, landing: LandingParams) -> FileBudget:
        """The budget that the parameters state."""
        return cls(
            max_duration_s=landing.max_duration_s,
            max_picture_px=landing.max_picture_px,
            max_frames=landing.max_frames,
            max_decoded_px=landing.max_decoded_px,
        )

    def check_duration(self, duration_s: float) -> None:
        """Check the time of a picture since the first one.

        Raises:
            DecodeError: it is beyond the limit.
        """
        if duration_s > self.max_duration_s:
            raise DecodeError(
                f"longer than {self.max_duration_s:g} s (landing.max_duration_s); cut it"
            )

    def check_pictures(self, count: int, width_px: int, height_px: int) -> None:
        """Check the number and the size of the pictures seen so far.

        Raises:
            DecodeError: a limit is exceeded; the message names it.
        """
        pixels = width_px * height_px
        if pixels > self.max_picture_px:
            raise DecodeError(
                f"pictures of {width_px}x{height_px} are larger than {self.max_picture_px} pixels "
                "(landing.max_picture_px); scale the video down"
            )
        if count > self.max_frames:
            raise DecodeError(
                f"more than {self.max_frames:g} pictures (landing.max_frames); cut it"
            )
        if count * pixels > self.max_decoded_px:
            raise DecodeError(
                f"more than {self.max_decoded_px:g} pixels in all pictures together "
                "(landing.max_decoded_px); cut it or scale it down"
            )


@dataclass(frozen=True, kw_only=True)
class ProcessBudget:
    """Limits of the process that works on one file.

    Attributes:
        max_cpu_s: processor time. Beyond it the work ends at the next picture; a decoder that does
            not come back by twice this time is ended with its process.
        max_memory_bytes: memory beyond what the process holds when it begins.
    """

    max_cpu_s: float
    max_memory_bytes: int

    @classmethod
    def of(cls, landing: LandingParams) -> ProcessBudget:
        """The budget that the parameters state."""
        return cls(max_cpu_s=landing.max_cpu_s, max_memory_bytes=landing.max_memory_bytes)

    @contextlib.contextmanager
    def enforced(self) -> Iterator[None]:
        """Hold this process to the budget inside the block; for the main thread of a worker.

        Raises:
            DecodeError: the processor time is used up.
            MemoryError: more memory was asked for; FFmpeg reports it as an error of its own.
        """
        with _memory_limit(self.max_memory_bytes), _time_limit(self.max_cpu_s):
            yield


@contextlib.contextmanager
def _memory_limit(more_bytes: int) -> Iterator[None]:
    """The soft limit is raised again behind the block; the hard one stays as it is."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + more_bytes
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    with contextlib.suppress(ValueError, OSError):  # a system that knows no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _time_limit(cpu_s: float) -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise DecodeError(
            f"decoding takes more than {cpu_s:g} processor seconds (landing.max_cpu_s); cut it"
        )

    ended = threading.Event()
    watch = threading.Thread(target=_end_after_cpu, args=(ended, cpu_s * _HANG_FACTOR), daemon=True)
    before = signal.signal(signal.SIGPROF, over)
    # Again every second: an exception that a callback of FFmpeg swallowed comes back.
    signal.setitimer(signal.ITIMER_PROF, cpu_s, _WATCH_EVERY_S)
    watch.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        ended.set()


def _end_after_cpu(ended: threading.Event, cpu_s: float) -> None:
    """A handler runs between two calls of the decoder only; this ends the process within one."""
    limit = time.process_time() + cpu_s
    while not ended.wait(_WATCH_EVERY_S):
        if time.process_time() > limit:
            os._exit(1)
