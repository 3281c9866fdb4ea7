"""PNG files of 16 bits per channel, which hold depth, disparity, flow and ids of many datasets.

FFmpeg decodes them exactly. Pillow would cut three channels of 16 bits to 8 without a word, and
OpenCV would give blue before red.
"""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

MAX_PIXELS = 1 << 26
"""Largest picture that is decoded: 64 Mpx, 400 MB with three channels."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FORMATS = {1: "gray16be", 3: "rgb48be"}
_CHANNELS = {0: 1, 2: 3}
"""Channels by the colour type of the header, of grey and of RGB; others are no measurements."""


def read_png16(path: Path, *, channels: int) -> NDArray[np.uint16]:
    """Decode a PNG of 16 bits.

    Args:
        path: the file.
        channels: 1 for depth, disparity and ids, 3 for flow.

    Returns:
        u16 [H, W], or [H, W, 3] in the order red, green, blue.

    Raises:
        DatasetError: the file is missing or damaged, no PNG, of 8 bits or of other channels.
    """
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    _check_header(path, payload, channels)
    decoder = av.CodecContext.create("png", "r")
    decoder.options = {"err_detect": "crccheck+explode"}
    try:
        frames = decoder.decode(av.Packet(payload))
    except av.FFmpegError as error:
        raise DatasetError(f"{shown(path)}: is damaged ({error}); copy it again") from error
    if len(frames) != 1 or frames[0].format.name != _FORMATS[channels]:
        raise DatasetError(f"{shown(path)}: is damaged: it holds no picture; copy it again")
    return np.ascontiguousarray(frames[0].to_ndarray(), np.uint16)


def _check_header(path: Path, payload: bytes, channels: int) -> None:
    if payload[:8] != _SIGNATURE or len(payload) < 26:
        raise DatasetError(f"{shown(path)}: is no PNG file")
    width_px, height_px, bits, colour_type = struct.unpack(">IIBB", payload[16:26])
    if not 0 < width_px * height_px <= MAX_PIXELS:
        raise DatasetError(
            f"{shown(path)}: states {width_px}x{height_px} px, at most {MAX_PIXELS} are read"
        )
    found = _CHANNELS.get(colour_type)
    if bits != 16 or found != channels:
        what = f"{found} channel(s)" if found else f"colour type {colour_type}"
        raise DatasetError(
            f"{shown(path)}: has {bits} bits and {what}, expected 16 bits and {channels} "
            "channel(s); "
            "a program that saves 8 bits destroyed it: take the file as the dataset ships it"
        )
