"""Strict decoding: exact presentation times, upright RGB frames, and damage that is never silent.

FFmpeg conceals damage by default: a file with flipped bytes decodes to the full number of frames,
and a shortened Matroska or AVI file just ends early. Three measures report it here: decoders run
with `err_detect=explode` (and verify checksums where a stream has any), the log is captured at
error level, and the number of packets is compared with the count that the container declares.
Undetected remains a flipped byte that still gives a valid stream, which is frequent in VP9 and
HEVC.

Times are integer nanoseconds, rounded once from exact ticks (stream time base).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from p4d.errors import DecodeError

# Playlists (HLS, DASH, concat) would open other files or the network, and FFmpeg renders plain text
# as pictures, so only self-contained media containers are opened. Audio containers are listed so
# that the error can be "no video stream".
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,ivf,flv,asf,"
    "ogg,nut,mjpeg,gif,wav,mp3,flac,aac"
)
MAX_PIXELS = 8192 * 8192

# Bit-exact conversion to RGB on every machine; chroma is interpolated, not repeated.
_RGB = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


@dataclass(frozen=True)
class Orientation:
    """Transformation that makes the stored picture upright: transpose first, then mirror.

    Read from the container's display matrix (ISO/IEC 14496-12, 8.3.2), right angles only.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """The orientation a decoded frame carries.

        Raises:
            DecodeError: the matrix rotates by an angle that is not a multiple of 90 degrees.

        """
        side_data: Any = frame.side_data  # typed with str keys, has types as keys
        matrix = side_data.get(SideDataType.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        # x' = a x + c y, y' = b x + d y, in 16.16 fixed point, rows (a b u) (c d v) (x y w)
        a, b, _, c, d, *_ = (int(v) for v in np.frombuffer(bytes(matrix), np.int32))
        straight, crossed = a and d and not (b or c), b and c and not (a or d)
        if straight:
            return cls(mirror_x=a < 0, mirror_y=d < 0)
        if crossed:
            return cls(transpose=True, mirror_x=c < 0, mirror_y=b < 0)
        raise DecodeError(
            f"the picture is rotated by {-frame.rotation} degrees; "
            "only multiples of 90 are supported"
        )

    @property
    def clockwise_deg(self) -> int:
        """Clockwise rotation; for a mirrored picture, the rotation that remains after mirroring."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    def upright(self, rgb_hw3: np.ndarray) -> np.ndarray:
        """The upright picture, [H',W',3]."""
        if self.transpose:
            rgb_hw3 = rgb_hw3.transpose(1, 0, 2)
        return rgb_hw3[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Upright (width, height) of a stored (width, height)."""
        return (height_px, width_px) if self.transpose else (width_px, height_px)


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: position in presentation order, from 0.
        ticks: presentation time in units of `time_base`.
        duration_ticks: duration that the container states, or 0.

    """

    index: int
    ticks: int
    duration_ticks: int
    time_base: Fraction
    orientation: Orientation
    picture: av.VideoFrame

    @property
    def pts_ns(self) -> int:
        """Presentation time, absolute in the video."""
        return ticks_to_ns(self.ticks, self.time_base)

    @property
    def size_px(self) -> tuple[int, int]:
        """Upright (width, height)."""
        return self.orientation.size_px(self.picture.width, self.picture.height)

    def rgb(self) -> np.ndarray:
        """Upright u8 [H,W,3] from any pixel format (10 bit, grey, palette...); alpha is dropped.

        Raises:
            DecodeError: FFmpeg converts no such pixel format.
        """
        try:
            converted = self.picture.reformat(format="rgb24", interpolation=_RGB)
        except (av.FFmpegError, OSError, ValueError) as error:
            name = self.picture.format.name
            raise DecodeError(f"frame {self.index} cannot be converted from {name}") from error
        return self.orientation.upright(converted.to_ndarray())


MAX_TIME_NS = 2**62
"""Times beyond it, 146 years, leave no room for arithmetic in 64 bits."""


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


def ticks_to_ns(ticks: int, time_base: Fraction) -> int:
    """Exact rational time in ns, rounded half up once."""
    numerator = ticks * time_base.numerator * 10**9
    return (2 * numerator + time_base.denominator) // (2 * time_base.denominator)


def read_timeline(path: Path, *, max_duration_s: float) -> Timeline:
    """Decode every frame and return their times.

    Raises:
        DecodeError: unreadable or damaged (see `decode`), or longer than `max_duration_s`.

    """
    ticks: list[int] = []
    frame = None
    for frame in decode(path):
        ticks.append(frame.ticks)
        if (frame.ticks - ticks[0]) * frame.time_base > max_duration_s:
            raise DecodeError(f"longer than {max_duration_s:g} s (landing.max_duration_s); cut it")
    if frame is None:
        raise DecodeError("the video stream holds no frame")
    steps = np.diff(np.array(ticks, dtype=np.int64))
    is_vfr = len(steps) > 0 and int(steps.max() - steps.min()) > 1
    # The duration of the last frame is reliable only at a constant rate (MP4 derives other
    # durations from decoding order); otherwise it is taken to be the median of the others.
    median = int(np.sort(steps)[len(steps) // 2]) if len(steps) else 0
    last = median if is_vfr else frame.duration_ticks or median
    base = frame.time_base
    if last * base > max_duration_s:
        raise DecodeError(f"the last frame is shown for {float(last * base):.3g} s; cut it")
    return Timeline(
        pts_ns=np.array([ticks_to_ns(t, base) for t in ticks], dtype=np.int64),
        end_ns=ticks_to_ns(ticks[-1] + last, base),
        is_vfr=is_vfr,
        size_px=frame.size_px,
    )


def decode(path: Path) -> Iterator[Frame]:
    """All frames in presentation order.

    Raises:
        DecodeError: not a video, damaged anywhere up to the frame reached, shorter than declared,
            without times, with times that do not increase, or with frames of several sizes.

    """
    with open_video(path) as (container, stream):
        index, packets, before = 0, 0, None
        for packet in container.demux(stream):
            packets += packet.dts is not None or packet.pts is not None
            for picture in packet.decode():
                assert isinstance(picture, av.VideoFrame)
                frame = _checked(index, picture, before)
                yield frame
                index, before = index + 1, frame
        # A tolerance of 1/20, because AVI headers also count dropped frames.
        if packets < stream.frames - max(1, stream.frames // 20):
            raise DecodeError(f"the file ends after {packets} of {stream.frames} frames")


def _checked(index: int, picture: av.VideoFrame, before: Frame | None) -> Frame:
    if picture.pts is None or picture.time_base is None:
        raise DecodeError(f"frame {index} has no presentation time")
    frame = Frame(
        index=index,
        ticks=picture.pts,
        duration_ticks=picture.duration or 0,
        time_base=picture.time_base,
        orientation=Orientation.of(picture),
        picture=picture,
    )
    if abs(frame.pts_ns) > MAX_TIME_NS:
        raise DecodeError(f"frame {index} is at {frame.pts_ns / 1e9:.3g} s, no time of a video")
    if before is not None and frame.ticks <= before.ticks:
        raise DecodeError(f"frame {index} is not later than the frame before it")
    if before is not None and frame.size_px != before.size_px:
        raise DecodeError(f"the frame size changes at frame {index}")
    return frame


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first real video stream, set up for strict decoding.

    Cover art of audio files does not count as video.

    Raises:
        DecodeError: any FFmpeg error inside the block, with FFmpeg's reason; also an error that
            FFmpeg only logged.

    """
    with (
        _errors_of(path),
        av.open(
            str(path.absolute()),
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS},
        ) as container,
    ):
        assert isinstance(container, InputContainer)
        streams = [
            s
            for s in container.streams.video
            if not s.disposition & av.stream.Disposition.attached_pic
        ]
        if not streams:
            raise DecodeError(
                "no video stream" + (" (audio only)" if container.streams.audio else "")
            )
        stream = streams[0]
        if stream.codec_context is None:
            raise DecodeError("no decoder for the codec of the video stream")
        # One thread: processes already run in parallel, and frame threads report errors late.
        stream.thread_type = "NONE"
        stream.codec_context.options = {
            "err_detect": "crccheck+explode",
            "max_pixels": str(MAX_PIXELS),
        }
        yield container, stream


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    # Otherwise a message equal to the last one, even of another file, would be dropped.
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=True) as logs:
            yield
    except av.FFmpegError as error:
        messages = [error.strerror, *(error.log[2:] if error.log else ())]
        raise DecodeError(_reason(path, messages)) from error
    finally:
        av.logging.set_level(level)
    errors = [message for severity, _, message in logs if severity <= av.logging.ERROR]
    if errors:
        raise DecodeError(_reason(path, errors[:1]))


def _reason(path: Path, messages: Sequence[str | None]) -> str:
    """FFmpeg's messages on one line, without the folder of the file."""
    parts = [text.strip().rstrip(".") for text in messages if text]
    if any("not on whitelist" in text for text in parts):
        return "not a media container that holds its own pictures"
    return "; ".join(dict.fromkeys(parts)).replace(str(path.absolute()), "the file")
