"""Container, first frame and declared duration of a file, without a full decode."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.reformatter import VideoReformatter

from p4d.errors import DecodeError
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.container import open_video
from p4d.video.decoding.picture import Frame, Orientation, ticks_to_ns


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
        DecodeError: not a readable video, with FFmpeg's reason, or pictures over budget.

    """
    with open_video(path, budget) as opened:
        container, stream = opened.container, opened.stream
        picture = next(container.decode(stream), None)
        if picture is None:
            raise DecodeError("the video stream holds no frame")
        orientation = Orientation.of(picture)
        frame = Frame(0, 0, 0, Fraction(1), orientation, picture, VideoReformatter())
        frame.squashed(1)  # raises for a pixel format that has no conversion
        width_px, height_px = orientation.size_px(picture.width, picture.height)
        declared_ns = None
        if stream.duration is not None and stream.time_base is not None:
            declared_ns = ticks_to_ns(stream.duration, stream.time_base)
        elif container.duration is not None:
            declared_ns = container.duration * 1000  # AV_TIME_BASE is a microsecond
        return Probe(
            container=container.format.name,
            codec=stream.codec_context.name,
            pix_fmt=stream.codec_context.pix_fmt or picture.format.name,
            width_px=width_px,
            height_px=height_px,
            rotation_deg=orientation.clockwise_deg,
            declared_ns=declared_ns,
            notes=opened.notes,
        )
