"""Maps of KITTI: depth and disparity in 16 bits, flow in three channels, scans of the laser.

All of them are sparse: most pixels are unknown, which is 0 in every file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.png16 import read_png16
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

MAX_SCAN_BYTES = 64 << 20
MIN_DEPTH_M = 0.1
"""Points nearer than this to the camera's plane project anywhere."""


def read_depth(path: Path) -> NDArray[np.float32]:
    """Planar depth in metres, [H, W], 0 where unknown: 256 levels are a metre."""
    return (read_png16(path, channels=1) / np.float32(256)).astype(np.float32)


def read_disparity(path: Path) -> NDArray[np.float32]:
    """Disparity in pixels, [H, W], 0 where unknown: 256 levels are a pixel."""
    return (read_png16(path, channels=1) / np.float32(256)).astype(np.float32)


def depth_of_disparity(
    disparity_px_hw: NDArray[np.float32], focal_px: float, base_m: float
) -> NDArray[np.float32]:
    """Planar depth in metres, 0 where the disparity is unknown."""
    known = disparity_px_hw > 0
    depth_m = np.zeros_like(disparity_px_hw)
    depth_m[known] = focal_px * base_m / disparity_px_hw[known]
    return depth_m


def read_flow(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow of KITTI 2012 and 2015, as the file has it: FORWARD, from this frame to the next.

    Returns:
        (du, dv) in pixels [H, W, 2], 0 where unknown, and where it is known [H, W].
    """
    stored = read_png16(path, channels=3)
    known = stored[..., 2] != 0
    flow_px = (stored[..., :2].astype(np.float32) - 32768) / 64
    return np.where(known[..., None], flow_px, 0).astype(np.float32), known


def turned_round(
    forward_px_hw2: NDArray[np.float32], known_hw: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Backward flow of the next frame, from forward flow of points that both frames show.

    A vector is moved to the pixel in which its point arrives and reversed there. Reversing it in
    place would give the right vector to the wrong pixel. Where several points arrive in one pixel,
    the one that arrives nearest to its centre counts: a vector then belongs to a point at most half
    a pixel, in each axis, from the centre. Pixels where no point arrives are unknown.

    Args:
        forward_px_hw2: (du, dv) [H, W, 2].
        known_hw: where the flow is known and its point is visible in the next frame.

    Returns:
        Backward flow [H, W, 2], 0 where unknown, and where it is known.
    """
    height, width = known_hw.shape
    row, column = np.nonzero(known_hw)
    moved_px = forward_px_hw2[row, column].astype(np.float64)
    u, v = column + 0.5 + moved_px[:, 0], row + 0.5 + moved_px[:, 1]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    u, v, moved_px = u[inside], v[inside], moved_px[inside]
    to_column, to_row = u.astype(np.int64), v.astype(np.int64)
    offset = (u - to_column - 0.5) ** 2 + (v - to_row - 0.5) ** 2
    order = np.argsort(-offset, kind="stable")  # the last write wins: the nearest to a centre
    backward = np.zeros((height, width, 2), np.float32)
    known = np.zeros((height, width), bool)
    backward[to_row[order], to_column[order]] = -moved_px[order]
    known[to_row, to_column] = True
    return backward, known


def read_scan(path: Path) -> NDArray[np.float32]:
    """Points of a laser scan in its own axes, x forward, y left, z up, in metres: [N, 3].

    Raises:
        DatasetError: the file is missing, or does not consist of points of four numbers.
    """
    try:
        size = path.stat().st_size
        payload = path.read_bytes() if size <= MAX_SCAN_BYTES else b""
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    if not payload or size % 16:
        raise DatasetError(
            f"{shown(path)}: has {size} bytes, no whole number of points of 16 bytes; copy it again"
        )
    return np.frombuffer(payload, "<f4").reshape(-1, 4)[:, :3].astype(np.float32)


def project_scan(
    points_n3: NDArray[np.floating],
    cam_T_velo: NDArray[np.float64],
    K: NDArray[np.float64],
    size_px: tuple[int, int],
) -> NDArray[np.float32]:
    """Planar depth [H, W] of the points that a camera sees, 0 elsewhere; the nearest point counts.

    Args:
        points_n3: in the scanner's axes, metres.
        cam_T_velo: 4x4.
        K: 3x3, with pixel centres at i + 0.5.
        size_px: width and height.
    """
    width, height = size_px
    finite = np.isfinite(points_n3).all(axis=1)
    points = points_n3[finite].astype(np.float64) @ cam_T_velo[:3, :3].T + cam_T_velo[:3, 3]
    points = points[points[:, 2] > MIN_DEPTH_M]
    uv = points[:, :2] / points[:, 2:] * (K[0, 0], K[1, 1]) + K[:2, 2]
    inside = (uv >= 0).all(axis=1) & (uv < (width, height)).all(axis=1)
    (column, row), z_m = uv[inside].astype(np.int64).T, points[inside, 2]
    order = np.argsort(-z_m, kind="stable")  # the last write wins: the nearest
    depth_m = np.zeros((height, width), np.float32)
    depth_m[row[order], column[order]] = z_m[order]
    return depth_m
