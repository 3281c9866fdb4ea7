"""Poses of datasets: quaternions in either order, and rotations that are none any more.

A pose in a text file has few decimals, and its 3x3 part is a rotation only nearly; the truth
sidecar wants one within 1e-6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from p4d.errors import DatasetError

MAX_RESIDUE = 1e-3
"""Largest difference of R R^T from the identity at which a matrix was meant to be a rotation."""


def nearest_rotation(matrix: ArrayLike) -> NDArray[np.float64]:
    """The rotation that is nearest to each matrix [..., 3, 3], in the Frobenius norm."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, np.float64))
    sign = np.ones((*u.shape[:-2], 3))
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    return np.asarray((u * sign[..., None, :]) @ vt)


def checked_rotation(matrix: ArrayLike, where: str) -> NDArray[np.float64]:
    """`matrix` [3, 3] as an exact rotation.

    Raises:
        DatasetError: it is not nearly one: a scale, a mirror image, or no rotation at all.
    """
    given = np.asarray(matrix, np.float64)
    if not np.isfinite(given).all():
        raise DatasetError(f"{where}: the rotation is not finite")
    residue = float(np.abs(given @ given.T - np.eye(3)).max())
    if residue > MAX_RESIDUE or np.linalg.det(given) < 0:
        kind = "mirrors" if np.linalg.det(given) < 0 else f"is off by {residue:.2g}"
        raise DatasetError(f"{where}: the matrix is no rotation, it {kind}")
    return nearest_rotation(given)


def rotation_wxyz(quaternion: ArrayLike) -> NDArray[np.float64]:
    """Rotations [..., 3, 3] of quaternions [..., 4] with w first; they are normalised.

    Raises:
        DatasetError: a quaternion is zero or not finite.
    """
    q = np.asarray(quaternion, np.float64)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if not np.isfinite(q).all() or (norm < 1e-6).any():
        raise DatasetError("a quaternion is zero or not finite")
    w, x, y, z = np.moveaxis(q / norm, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_xyzw(quaternion: ArrayLike) -> NDArray[np.float64]:
    """Rotations [..., 3, 3] of quaternions [..., 4] with w last; see `rotation_wxyz`."""
    return rotation_wxyz(np.roll(np.asarray(quaternion, np.float64), 1, axis=-1))
