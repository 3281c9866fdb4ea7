"""One decoded frame: its time, its orientation, and upright RGB of any pixel format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter

from p4d.errors import DecodeError
from p4d.video.appearance import area_mean

# Bit-exact conversion to RGB on every machine; chroma is interpolated, not repeated.
_RGB = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
_SMALL_RGB = _RGB & ~Interpolation.BICUBIC | Interpolation.AREA

_GREY = Interpolation.POINT | Interpolation.BITEXACT
GREY_CELLS_PX = (18, 32)
# Formats whose first plane holds 8-bit luma.
_GREY_FIRST = frozenset(
    {"gray", "nv12", "nv21", "yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv411p", "yuv440p"}
    | {"yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuva420p", "yuva422p", "yuva444p"}
)

EXACT_RATIO = 4
"""Up to this many times the wanted side, pictures are averaged in RGB, exactly. Larger ones are
averaged by FFmpeg before they are converted: the mean differs by under one grey level, and a
picture of 1920x1080 costs 0.5 ms instead of 23 (benchmarks/speed/ingest.py)."""


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
        matrix = _display_matrix(frame)
        if matrix is None:
            return UPRIGHT
        # x' = a x + c y, y' = b x + d y, in 16.16 fixed point, rows (a b u) (c d v) (x y w)
        a, b, _, c, d, *_ = (int(v) for v in np.frombuffer(matrix, np.int32))
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


UPRIGHT = Orientation()


def _display_matrix(frame: av.VideoFrame) -> bytes | None:
    # Not `frame.side_data`: PyAV keeps that container in the frame, and the container keeps the
    # frame. The cycle holds every decoded picture until the garbage collector finds it.
    container: Any = SideDataContainer  # typed without the frame that it is made from
    try:
        of_frame = container(frame)
        found = of_frame.get(SideDataType.DISPLAYMATRIX) if len(of_frame) else None
    except ValueError:  # side data of a kind that this PyAV has no name for
        return None
    return None if found is None else bytes(found)


@dataclass(slots=True)
class Frame:
    """One decoded frame; not frozen, because a video has thousands and that doubles their cost.

    Attributes:
        index: position in presentation order, from 0.
        ticks: presentation time in units of `time_base`.
        pts_ns: presentation time, absolute in the video.
        duration_ticks: duration that the container states, or 0.
        reformatter: converts pictures; frames of one file share it.

    """

    index: int
    ticks: int
    pts_ns: int
    duration_ticks: int
    time_base: Fraction
    orientation: Orientation
    picture: av.VideoFrame
    reformatter: VideoReformatter

    @property
    def size_px(self) -> tuple[int, int]:
        """Upright (width, height)."""
        return self.orientation.size_px(self.picture.width, self.picture.height)

    def rgb(self) -> np.ndarray:
        """Upright u8 [H,W,3] from any pixel format (10 bit, grey, palette...); alpha is dropped.

        Raises:
            DecodeError: FFmpeg converts no such pixel format.
        """
        return self.orientation.upright(self._converted(_RGB))

    def squashed(self, side_px: int) -> np.ndarray:
        """Upright u8 [side_px, side_px, 3], averaged over areas; see `EXACT_RATIO`.

        Raises:
            DecodeError: FFmpeg converts no such pixel format.
        """
        return self.scaled(side_px, side_px)

    def scaled(self, width_px: int, height_px: int) -> np.ndarray:
        """Upright u8 [height_px, width_px, 3], averaged over areas; see `EXACT_RATIO`.

        Raises:
            DecodeError: FFmpeg converts no such pixel format.
        """
        if max(self.picture.width, self.picture.height) <= EXACT_RATIO * max(width_px, height_px):
            rgb_hw3 = self.rgb()
            if rgb_hw3.shape[:2] == (height_px, width_px):
                return rgb_hw3
            return area_mean(rgb_hw3, height_px, width_px)
        # The stored picture may lie on its side.
        stored = self.orientation.size_px(width_px, height_px)
        return self.orientation.upright(self._converted(_SMALL_RGB, *stored))

    def grey_samples(self) -> np.ndarray:
        """Grey levels of a few pixels of the stored picture, u8 [18, 32 n], n from 1 to 8.

        They are n pixels of one row in each of 18 x 32 cells: 0.01 ms, whatever the size.
        """
        rows, columns = GREY_CELLS_PX
        plane = self.picture.planes[0]
        step, width_px = plane.height // rows, plane.width // columns
        if self.picture.format.name not in _GREY_FIRST or not step or not width_px:
            small = self._reformatted(_GREY, columns, rows, "gray")
            return small.to_ndarray().astype(np.uint8)
        stored = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
        skip = -(-width_px // 8)
        taken = width_px // skip
        return stored[step // 2 :: step, ::skip][:rows, : columns * taken].copy()

    def _converted(
        self, how: Interpolation, width_px: int | None = None, height_px: int | None = None
    ) -> np.ndarray:
        return self._reformatted(how, width_px, height_px, "rgb24").to_ndarray()

    def _reformatted(
        self, how: Interpolation, width_px: int | None, height_px: int | None, name: str
    ) -> av.VideoFrame:
        try:
            return self.reformatter.reformat(
                self.picture, width_px, height_px, format=name, interpolation=how, threads=1
            )
        except MemoryError:  # also one of FFmpeg's errors: the budget of the process names it
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            source = self.picture.format.name
            raise DecodeError(f"frame {self.index} cannot be converted from {source}") from error


def grey_cells(samples: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the samples of each cell, u8 [T, 18, 32], of frames of one size."""
    rows, columns = GREY_CELLS_PX
    cells = np.stack(samples).reshape(len(samples), rows, columns, -1)
    sums = np.zeros(cells.shape[:3], np.uint16)
    for sample in range(cells.shape[3]):  # an axis this short is summed slowly by NumPy
        sums += cells[..., sample]
    return (sums // cells.shape[3]).astype(np.uint8)


def ticks_to_ns(ticks: int, time_base: Fraction) -> int:
    """Exact rational time in ns, rounded half up once."""
    numerator = ticks * time_base.numerator * 10**9
    return (2 * numerator + time_base.denominator) // (2 * time_base.denominator)
