"""Writers of PNG files, bit by bit, so that what is read was not written by the same library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def png_bytes(values: np.ndarray, *, palette: bytes | None = None) -> bytes:
    """u8 or u16 [H, W] (grey, or palette) or [H, W, 3] (red, green, blue) as PNG."""
    bits = 8 * values.dtype.itemsize
    colour_type = 3 if palette else 2 if values.ndim == 3 else 0
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if palette:
        chunks.insert(1, (b"PLTE", palette))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def write_png(path: Path, values: np.ndarray, *, palette: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(values, palette=palette))
    return path


def write_flow_png(path: Path, flow_px_hw2: np.ndarray, known_hw: np.ndarray) -> Path:
    """Flow as KITTI stores it: u in red, v in green, validity in blue."""
    levels = np.zeros((*known_hw.shape, 3), np.uint16)
    levels[..., :2] = np.where(known_hw[..., None], np.rint(flow_px_hw2 * 64) + 32768, 0)
    levels[..., 2] = known_hw
    return write_png(path, levels)


DAVIS_PALETTE = bytes(
    sum(((index >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8))
    for index in range(256)
    for channel in range(3)
)
"""DAVIS and Pascal share these colours: object 1 is 128, 0, 0; object 2 is 0, 128, 0."""
