"""Sintel's binary files: flow `.flo`, depth `.dpt`, cameras `.cam`; little-endian, tag 202021.25.

As in the dataset's own `sintel_io.py`.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.rotations import checked_rotation
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

TAG = struct.pack("<f", 202021.25)
"""The bytes "PIEH"."""
MAX_SIDE_PX = 16_384
FAR = 1_000.0
"""Beyond it is sky: the renderer's largest numbers, and no surface."""
UNKNOWN_FLOW = 1e9


def read_flow(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Forward flow [H, W, 2] as (du, dv), and where it is known [H, W].

    Raises:
        DatasetError: the file is missing, cut, or of another form.
    """
    flow = _grid(path, 2)
    known = np.asarray((np.abs(flow) < UNKNOWN_FLOW).all(axis=-1))  # NaN is not below it either
    return np.where(known[..., None], flow, 0).astype(np.float32), known


def read_depth(path: Path) -> NDArray[np.float32]:
    """Planar depth [H, W] in units of the scene; 0 where there is only sky.

    Raises:
        DatasetError: the file is missing, cut, or of another form.
    """
    z = _grid(path, 1)[..., 0]
    return np.where(np.isfinite(z) & (z > 0) & (z <= FAR), z, 0).astype(np.float32)


def read_camera(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K with pixel centres at i + 0.5, and `world_T_cam`.

    Raises:
        DatasetError: the file is missing, cut, or holds no camera.
    """
    payload = _payload(path)
    if len(payload) != 4 + 21 * 8:
        raise DatasetError(f"{shown(path)}: has {len(payload)} bytes, a camera has {4 + 21 * 8}")
    numbers = np.frombuffer(payload, "<f8", offset=4)
    K, cam_T_world = numbers[:9].reshape(3, 3).copy(), np.eye(4)
    cam_T_world[:3] = numbers[9:].reshape(3, 4)
    if not np.isfinite(numbers).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise DatasetError(f"{shown(path)}: holds no camera: its intrinsics are not positive")
    cam_T_world[:3, :3] = checked_rotation(cam_T_world[:3, :3], shown(path))
    K[:2, 2] += 0.5
    K[0, 1] = 0.0
    return K, np.asarray(np.linalg.inv(cam_T_world), np.float64)


def _grid(path: Path, channels: int) -> NDArray[np.float32]:
    payload = _payload(path)
    width, height = struct.unpack_from("<2i", payload, 4) if len(payload) >= 12 else (0, 0)
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise DatasetError(f"{shown(path)}: its header states {width}x{height} px")
    if len(payload) != (size := 12 + 4 * channels * width * height):
        raise DatasetError(
            f"{shown(path)}: has {len(payload)} bytes, {width}x{height} px with {channels} "
            f"channel(s) have {size}; the file is cut, or another kind"
        )
    return np.frombuffer(payload, "<f4", offset=12).reshape(height, width, channels)


def _payload(path: Path) -> bytes:
    try:
        payload = path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{shown(path)} is missing") from error
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    if payload[:4] != TAG:
        raise DatasetError(
            f"{shown(path)}: begins with {payload[:4]!r}, expected {TAG!r} (202021.25, "
            "little-endian)"
        )
    return payload
