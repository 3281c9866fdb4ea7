"""Strict decoding: exact presentation times, upright RGB frames, and damage that is never silent.

FFmpeg conceals damage by default: a file with flipped bytes decodes to the full number of frames,
and a shortened Matroska or AVI file just ends early. Four measures report it here: decoders run
with `err_detect=explode` (and verify checksums where a stream has any), errors that FFmpeg only
logs count, packets and frames that FFmpeg marks as corrupt count, and the number of packets is
compared with the count that the container declares. Undetected remains a flipped byte that still
gives a valid stream, which is frequent in VP8, VP9 and HEVC, and a transport stream that ends early
at a packet. A checksum file beside the video finds these too (p4d/sidecars.py).

Times are integer nanoseconds, rounded once from exact ticks (stream time base).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from p4d.errors import DecodeError
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.container import OpenedVideo, open_video
from p4d.video.decoding.picture import Frame, Orientation, ticks_to_ns

MAX_TIME_NS = 2**62
"""Times beyond it, 146 years, leave no room for arithmetic in 64 bits."""

# Their declared count is of the whole track, also of frames that an edit list hides (MP4) or that
# were skipped (AVI). A missing end shows otherwise: the index of an MP4 leads beyond the file, and
# the segments of an AVI state their length.
_COUNT_ALL_FRAMES = ("mov", "avi")


@dataclass(frozen=True)
class Timeline:
    """Presentation times of a video.

    Attributes:
        pts_ns: i64 [n], strictly increasing.
        end_ns: end of the last frame.
        is_vfr: frame intervals differ by more than the rounding of the time base.

    """

    pts_ns: np.ndarray
    end_ns: int
    is_vfr: bool
    size_px: tuple[int, int]


class TimelineRecorder:
    """Collects the times of frames as they are decoded."""

    def __init__(self, budget: FileBudget) -> None:
        """Nothing is recorded yet."""
        self._budget = budget
        self._ticks: list[int] = []
        self._last: Frame | None = None
        self._first_ns = 0

    def add(self, frame: Frame) -> None:
        """Record the next frame.

        Raises:
            DecodeError: it is later than the budget allows.
        """
        self._ticks.append(frame.ticks)
        if self._last is None:
            self._first_ns = frame.pts_ns
        self._budget.check_duration((frame.pts_ns - self._first_ns) / 1e9)
        self._last = frame

    def timeline(self) -> Timeline:
        """The times of all frames.

        Raises:
            DecodeError: there is none, or the last one is shown longer than the budget allows.
        """
        frame = self._last
        if frame is None:
            raise DecodeError("the video stream holds no frame")
        steps = np.diff(np.array(self._ticks, dtype=np.int64))
        is_vfr = len(steps) > 0 and int(steps.max() - steps.min()) > 1
        # The duration of the last frame is reliable only at a constant rate (MP4 derives other
        # durations from decoding order); otherwise it is taken to be the median of the others.
        median = int(np.sort(steps)[len(steps) // 2]) if len(steps) else 0
        last = median if is_vfr else frame.duration_ticks or median
        base = frame.time_base
        if last * base > self._budget.max_duration_s:
            raise DecodeError(f"the last frame is shown for {float(last * base):.3g} s; cut it")
        return Timeline(
            pts_ns=np.array([ticks_to_ns(t, base) for t in self._ticks], dtype=np.int64),
            end_ns=ticks_to_ns(self._ticks[-1] + last, base),
            is_vfr=is_vfr,
            size_px=frame.size_px,
        )


def read_timeline(path: Path, budget: FileBudget | None = None) -> Timeline:
    """Decode every frame and return their times.

    Raises:
        DecodeError: unreadable or damaged (see `decode`), or over budget.

    """
    recorder = TimelineRecorder(budget or FileBudget())
    for frame in decode(path, budget):
        recorder.add(frame)
    return recorder.timeline()


def decode(path: Path, budget: FileBudget | None = None) -> Iterator[Frame]:
    """All frames in presentation order.

    Raises:
        DecodeError: not a video, damaged anywhere up to the frame reached, shorter than declared,
            without times, with times that do not increase, with frames of several sizes, or over
            budget.

    """
    budget = budget or FileBudget()
    with open_video(path, budget) as opened:
        yield from frames_of(opened, budget)


def frames_of(opened: OpenedVideo, budget: FileBudget) -> Iterator[Frame]:
    """All frames of an open video; see `decode`."""
    reformatter = VideoReformatter()
    before = None
    time_base = opened.stream.time_base
    if time_base is None:
        raise DecodeError("the video stream states no unit of time")
    for index, (picture, ticks) in enumerate(_pictures(opened)):
        budget.check_pictures(index + 1, picture.width, picture.height)
        if ticks is None:
            raise DecodeError(f"frame {index} has no presentation time")
        if picture.is_corrupt:
            raise DecodeError(f"the decoder marks frame {index} as corrupt")
        frame = Frame(
            index=index,
            ticks=ticks,
            pts_ns=ticks_to_ns(ticks, time_base),
            duration_ticks=picture.duration or 0,
            time_base=time_base,
            orientation=Orientation.of(picture),
            picture=picture,
            reformatter=reformatter,
        )
        _check(frame, before)
        yield frame
        before = frame


def _pictures(opened: OpenedVideo) -> Iterator[tuple[av.VideoFrame, int | None]]:
    """Decoded pictures with their presentation times in ticks."""
    stream, container = opened.stream, opened.container
    has_times = container.format.name != "avi"
    packets, times = 0, _AviTimes()
    for packet in _packets(opened):
        is_data = packet.dts is not None or packet.pts is not None
        if packet.is_corrupt:
            raise DecodeError(f"packet {packets} is marked as corrupt")
        packets += is_data
        if not has_times and is_data:
            times.packet(packet.dts if packet.dts is not None else packet.pts)
        pictures = packet.decode()
        for number, picture in enumerate(pictures):
            assert isinstance(picture, av.VideoFrame)
            if has_times:
                yield picture, picture.pts
            else:
                yield picture, times.picture(last=len(pictures) - number if not is_data else None)
    # A tolerance of 1/20, because some headers also count dropped frames.
    expected = stream.frames - max(1, stream.frames // 20)
    if packets < expected and not container.format.name.startswith(_COUNT_ALL_FRAMES):
        raise DecodeError(f"the file ends after {packets} of {stream.frames} frames")


def _packets(opened: OpenedVideo) -> Iterator[av.Packet]:
    """The packets of the video, and an empty one behind them that flushes the decoder."""
    packets = opened.container.demux(opened.stream)
    is_flushed = False
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except IndexError as error:
            # A stream that appears inside the file: PyAV has no object for it and ends the list of
            # packets here, behind those of the streams that it knows.
            if is_flushed:
                return
            raise DecodeError("a stream begins inside the file, unknown to its start") from error
        is_flushed = packet.dts is None and packet.size == 0
        yield packet


class _AviTimes:
    """Presentation times of AVI, which stores the order of packets alone.

    A decoder that reorders gives each picture some packets later. Pictures come in presentation
    order, so the picture that a packet releases is shown at the time of the packet that lies this
    many packets before it. Skipped frames leave gaps in the times of the packets.
    """

    def __init__(self) -> None:
        self._dts: list[int | None] = []
        self._delay: int | None = None
        self._shown = -1

    def packet(self, dts: int | None) -> None:
        """A packet goes to the decoder."""
        self._dts.append(dts)

    def picture(self, last: int | None) -> int | None:
        """Time of the next picture; `last` counts those that come after all packets."""
        newest = len(self._dts) - 1
        if last is not None:
            at = newest - last + 1
        else:
            self._delay = newest if self._delay is None else self._delay
            at = newest - self._delay
        self._shown = max(at, self._shown + 1)
        return self._dts[self._shown] if self._shown <= newest else None


def _check(frame: Frame, before: Frame | None) -> None:
    index = frame.index
    if abs(frame.pts_ns) > MAX_TIME_NS:
        raise DecodeError(f"frame {index} is at {frame.pts_ns / 1e9:.3g} s, no time of a video")
    if before is not None and frame.ticks <= before.ticks:
        raise DecodeError(f"frame {index} is not later than the frame before it")
    if before is not None and frame.size_px != before.size_px:
        raise DecodeError(f"the frame size changes at frame {index}")
