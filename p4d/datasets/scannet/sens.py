"""A ScanNet `.sens` stream, version 4: cameras, and a list of compressed colour and depth frames.

Layout as in the dataset's own SensorData.py. The file is scanned once for the places of the frames;
a frame is decompressed when it is read.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

VERSION = 4
COLOUR = {0: "raw", 1: "png", 2: "jpeg"}
DEPTH = {0: "raw_ushort", 1: "zlib_ushort", 2: "occi_ushort"}
MAX_SIDE_PX = 8192
MAX_FRAMES = 1_000_000
_HEADER = struct.Struct("<64fiiIIIIfQ")
_FRAME = struct.Struct("<16fQQQQ")


@dataclass(frozen=True)
class SensFrame:
    """Where a frame lies in the file.

    Attributes:
        world_T_cam: as stored; -inf if tracking was lost.
        colour_us, depth_us: stamps in microseconds; often 0.
        colour, depth: offset and size of the compressed picture.
    """

    world_T_cam: NDArray[np.float64]
    colour_us: int
    depth_us: int
    colour: tuple[int, int]
    depth: tuple[int, int]


@dataclass(frozen=True)
class SensFile:
    """An indexed stream.

    Attributes:
        K_colour, K_depth, extrinsic_colour, extrinsic_depth: 4x4, as stored.
        depth_per_m: value of one metre.
        frames: those that are whole; a stream that is cut ends with the last of them.
        cut: whether the header promises more.
    """

    path: Path
    K_colour: NDArray[np.float64]
    extrinsic_colour: NDArray[np.float64]
    K_depth: NDArray[np.float64]
    extrinsic_depth: NDArray[np.float64]
    colour_kind: str
    depth_kind: str
    colour_px: tuple[int, int]
    depth_px: tuple[int, int]
    depth_per_m: float
    frames: tuple[SensFrame, ...]
    cut: bool

    @classmethod
    def index(cls, path: Path) -> SensFile:
        """Read the header and the places of all frames.

        Raises:
            DatasetError: the file is missing, of another version, or its header is not whole.
        """
        try:
            with path.open("rb") as stream:
                return cls._index(path, stream)
        except OSError as error:
            raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
        except struct.error as error:
            raise DatasetError(f"{shown(path)}: its header is cut") from error

    @classmethod
    def _index(cls, path: Path, stream: BinaryIO) -> SensFile:
        (version,) = struct.unpack("<I", stream.read(4))
        if version != VERSION:
            raise DatasetError(
                f"{shown(path)}: version {version} of the stream, {VERSION} is read; a file that "
                "is no .sens has any number here"
            )
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > 4096:
            raise DatasetError(f"{shown(path)}: the name of the sensor has {length} bytes")
        stream.read(length)
        values = _HEADER.unpack(stream.read(_HEADER.size))
        matrices = np.array(values[:64], np.float64).reshape(4, 4, 4)
        colour_kind, depth_kind, *sides, per_m, count = values[64:]
        if colour_kind not in COLOUR or depth_kind not in (0, 1):
            kind = DEPTH.get(depth_kind, depth_kind)
            raise DatasetError(
                f"{shown(path)}: compression {COLOUR.get(colour_kind, colour_kind)} of colour and "
                f"{kind} of depth; raw, png or jpeg with raw_ushort or zlib_ushort is read"
            )
        if not all(0 < side <= MAX_SIDE_PX for side in sides) or not 0 < per_m < 1e9:
            raise DatasetError(f"{shown(path)}: its header states {sides} px, {per_m} per metre")
        frames = _index_frames(stream, path.stat().st_size, min(count, MAX_FRAMES))
        return cls(
            path=path,
            K_colour=matrices[0],
            extrinsic_colour=matrices[1],
            K_depth=matrices[2],
            extrinsic_depth=matrices[3],
            colour_kind=COLOUR[colour_kind],
            depth_kind=DEPTH[depth_kind],
            colour_px=(sides[0], sides[1]),
            depth_px=(sides[2], sides[3]),
            depth_per_m=float(per_m),
            frames=tuple(frames),
            cut=len(frames) < count,
        )

    def colour(self, index: int) -> NDArray[np.uint8]:
        """The colour picture of a frame, [H, W, 3].

        Raises:
            DatasetError: it cannot be decompressed.
        """
        payload = self._read(self.frames[index].colour)
        width, height = self.colour_px
        if self.colour_kind == "raw":
            if len(payload) != 3 * width * height:
                raise DatasetError(f"{shown(self.path)}: colour of frame {index} is cut")
            return np.frombuffer(payload, np.uint8).reshape(height, width, 3)
        try:
            with Image.open(io.BytesIO(payload), formats=("PNG", "JPEG")) as picture:
                if picture.size != self.colour_px:
                    raise DatasetError(
                        f"{shown(self.path)}: colour of frame {index} has {picture.size} px, the "
                        f"header {self.colour_px}"
                    )
                return np.asarray(picture.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise DatasetError(
                f"{shown(self.path)}: colour of frame {index} is no picture: {error}"
            ) from error

    def depth_m(self, index: int) -> NDArray[np.float32]:
        """Planar depth of a frame in metres, [H, W]; 0 unknown.

        Raises:
            DatasetError: it cannot be decompressed.
        """
        payload = self._read(self.frames[index].depth)
        width, height = self.depth_px
        expected = 2 * width * height
        if self.depth_kind == "zlib_ushort":
            try:
                payload = zlib.decompressobj().decompress(payload, expected + 1)
            except zlib.error as error:
                raise DatasetError(
                    f"{shown(self.path)}: depth of frame {index} is damaged: {error}"
                ) from error
        if len(payload) != expected:
            raise DatasetError(f"{shown(self.path)}: depth of frame {index} is cut")
        values = np.frombuffer(payload, "<u2").reshape(height, width).astype(np.float32)
        return values / np.float32(self.depth_per_m)

    def _read(self, place: tuple[int, int]) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(place[0])
            return stream.read(place[1])


def _index_frames(stream: BinaryIO, size: int, count: int) -> list[SensFrame]:
    frames = []
    for _ in range(count):
        payload = stream.read(_FRAME.size)
        if len(payload) < _FRAME.size:
            break
        *pose, colour_us, depth_us, colour_bytes, depth_bytes = _FRAME.unpack(payload)
        colour_at = stream.tell()
        depth_at = colour_at + colour_bytes
        if depth_at + depth_bytes > size:
            break
        stream.seek(depth_at + depth_bytes)
        frames.append(
            SensFrame(
                world_T_cam=np.array(pose, np.float64).reshape(4, 4),
                colour_us=colour_us,
                depth_us=depth_us,
                colour=(colour_at, colour_bytes),
                depth=(depth_at, depth_bytes),
            )
        )
    return frames
