"""Container, first frame and declared duration of a file, without a full decode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from p4d.errors import DecodeError
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.container import OpenedVideo, open_video
from p4d.video.decoding.decode import frames_of
from p4d.video.decoding.picture import Frame, ticks_to_ns


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties that a file declares.

    Attributes:
        width_px, height_px: upright size, after the display matrix.
        rotation_deg: clockwise rotation that makes the picture upright.
        declared_ns: duration that the header states, or None; a full decode measures it.
        notes: what a person should know about the choice of the stream, one line each.

    """

    container: str
    codec: str
    pix_fmt: str
    width_px: int
    height_px: int
    rotation_deg: int
    declared_ns: int | None
    notes: tuple[str, ...] = ()


def probe(path: Path, budget: FileBudget | None = None) -> Probe:
    """Open `path` and decode one frame.

    Raises:
        DecodeError: not a readable video, with FFmpeg's reason; pictures over budget, or of a
            format that has no conversion.

    """
    budget = budget or FileBudget()
    with open_video(path, budget) as opened:
        frame = next(frames_of(opened, budget), None)
        if frame is None:
            raise DecodeError("the video stream holds no frame")
        frame.squashed(1)
        return described(opened, frame)


def described(opened: OpenedVideo, frame: Frame) -> Probe:
    """What an open video declares; `frame` is one of its frames."""
    container, stream = opened.container, opened.stream
    width_px, height_px = frame.size_px
    declared_ns = None
    if stream.duration is not None and stream.time_base is not None:
        declared_ns = ticks_to_ns(stream.duration, stream.time_base)
    elif container.duration is not None:
        declared_ns = container.duration * 1000  # AV_TIME_BASE is a microsecond
    return Probe(
        container=container.format.name,
        codec=stream.codec_context.name,
        pix_fmt=stream.codec_context.pix_fmt or frame.picture.format.name,
        width_px=width_px,
        height_px=height_px,
        rotation_deg=frame.orientation.clockwise_deg,
        declared_ns=declared_ns,
        notes=opened.notes,
    )
