"""Calibration files of KITTI: `key: numbers` lines, rectified cameras, and rigid mounts.

All of KITTI's projections have the form `x = P_rect_0N (R_rect_00 | Tr_velo_to_cam) X`. P is a 3x4
matrix in the coordinates of the first rectified camera; its last column holds the offset of camera
N times K. Pixel centres lie at whole numbers there and at i + 0.5 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.number_table import read_lines
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

MAX_CALIBRATION_BYTES = 1 << 20


@dataclass(frozen=True)
class RectifiedCamera:
    """One rectified camera.

    Attributes:
        K: 3x3, with pixel centres at i + 0.5.
        cam_T_cam0: from the first rectified camera to this one; a shift.
    """

    K: NDArray[np.float64]
    cam_T_cam0: NDArray[np.float64]


def read_calibration(path: Path) -> dict[str, NDArray[np.float64]]:
    """The numbers of a calibration file by key, as a flat array each.

    The tracking benchmark writes some keys without a colon. Entries that are no numbers, such as
    the time of calibration, are left out.

    Raises:
        DatasetError: the file is missing or no text.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for line in read_lines(path, max_bytes=MAX_CALIBRATION_BYTES):
        key, *words = line.replace(":", " ", 1).split() or [""]
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            continue
        if key and values.size:
            found[key] = values
    return found


def entry(
    path: Path, found: dict[str, NDArray[np.float64]], keys: tuple[str, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """The entry under the first of several keys that the file has.

    Raises:
        DatasetError: none is there, or its numbers are not of this count or not finite.
    """
    key = next((key for key in keys if key in found), None)
    if key is None:
        raise DatasetError(
            f"{shown(path)}: has no {' or '.join(keys)}; take the file of the same drive as KITTI "
            "ships it"
        )
    values = found[key]
    if values.size != np.prod(shape) or not np.isfinite(values).all():
        raise DatasetError(
            f"{shown(path)}: {key} holds {values.size} values, expected {int(np.prod(shape))} "
            "finite ones"
        )
    return values.reshape(shape)


def rectified_camera(P_34: NDArray[np.float64], name: str) -> RectifiedCamera:
    """A camera from its projection matrix.

    Raises:
        DatasetError: the matrix is no projection; the message begins with `name`.
    """
    K = P_34[:, :3].copy()
    if K[0, 0] <= 0 or K[1, 1] <= 0 or (K[2] != (0, 0, 1)).any() or K[0, 1] or K[1, 0]:
        raise DatasetError(f"{name}: is no projection matrix of a rectified camera")
    cam_T_cam0 = np.eye(4)
    cam_T_cam0[:3, 3] = np.linalg.solve(K, P_34[:, 3])
    K[:2, 2] += 0.5
    return RectifiedCamera(K=K, cam_T_cam0=cam_T_cam0)


def rigid(
    path: Path, found: dict[str, NDArray[np.float64]], rotation: str, translation: str
) -> NDArray[np.float64]:
    """The rigid transform [4, 4] of a file with one entry for each of its parts."""
    matrix = np.eye(4)
    matrix[:3, :3] = entry(path, found, (rotation,), (3, 3))
    matrix[:3, 3] = entry(path, found, (translation,), (3,))
    return matrix


def rectification(path: Path, found: dict[str, NDArray[np.float64]], *keys: str) -> NDArray:
    """The rectifying rotation of the first camera, [4, 4]."""
    matrix = np.eye(4)
    matrix[:3, :3] = entry(path, found, keys, (3, 3))
    return matrix


def affine(matrix_34: NDArray[np.float64]) -> NDArray[np.float64]:
    """A 3x4 transform as 4x4."""
    return np.vstack([matrix_34, (0.0, 0.0, 0.0, 1.0)])
