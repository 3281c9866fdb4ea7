"""Container, first frame and declared duration of a file, without a full decode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from p4d.errors import DecodeError
from p4d.video.decode import Orientation, open_video, ticks_to_ns


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties that a file declares.

    Attributes:
        width_px, height_px: upright size, after the display matrix.
        rotation_deg: clockwise rotation that makes the picture upright.
        declared_ns: duration that the header states, or None; a full decode measures it.

    """

    container: str
    codec: str
    pix_fmt: str
    width_px: int
    height_px: int
    rotation_deg: int
    declared_ns: int | None


def probe(path: Path) -> Probe:
    """Open `path` and decode one frame.

    Raises:
        DecodeError: not a readable video; the message gives FFmpeg's reason.

    """
    with open_video(path) as (container, stream):
        picture = next(container.decode(stream), None)
        if picture is None:
            raise DecodeError("the video stream holds no frame")
        orientation = Orientation.of(picture)
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
        )
