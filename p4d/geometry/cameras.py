"""Pinhole cameras: pixels, points and rigid transforms (conventions: CONVENTIONS.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def pinhole(fov_y_rad: float, width_px: int, height_px: int) -> NDArray[np.float64]:
    """Intrinsics of a camera with square pixels and a centred principal point, 3x3."""
    focal_px = 0.5 * height_px / np.tan(0.5 * fov_y_rad)
    return np.array(
        [[focal_px, 0.0, width_px / 2], [0.0, focal_px, height_px / 2], [0.0, 0.0, 1.0]]
    )


def scale_intrinsics(K: Floats, scale_x: float, scale_y: float) -> NDArray[np.float64]:
    """Intrinsics after a resize by `scale_x`, `scale_y` (new size / old size).

    Takes [..., 3, 3]. Pixel centres at i + 0.5 make this a plain scaling: no half-pixel term.
    """
    return np.asarray(K, np.float64) * np.array([scale_x, scale_y, 1.0])[:, None]


def pixel_centres(height_px: int, width_px: int) -> NDArray[np.float64]:
    """(u, v) of every pixel centre, [height, width, 2]."""
    u, v = np.meshgrid(np.arange(width_px) + 0.5, np.arange(height_px) + 0.5)
    return np.stack([u, v], axis=-1)


def camera_directions(K: Floats, height_px: int, width_px: int) -> NDArray[np.float64]:
    """Directions with z = 1 through every pixel centre, in the camera, [..., height, width, 3].

    Takes [..., 3, 3]. Multiplied by planar depth they are camera points.
    """
    directions = np.ones((*K.shape[:-2], height_px, width_px, 3))
    x = (np.arange(width_px) + 0.5 - K[..., 0, 2, None]) / K[..., 0, 0, None]
    y = (np.arange(height_px) + 0.5 - K[..., 1, 2, None]) / K[..., 1, 1, None]
    directions[..., 0] = x[..., None, :]
    directions[..., 1] = y[..., :, None]
    return directions


def unproject(z_depth_m_hw: Floats, K: Floats, world_T_cam: Floats) -> NDArray[np.float64]:
    """World points seen at the pixel centres of a planar depth map, [height, width, 3]."""
    camera_points = camera_directions(K, *z_depth_m_hw.shape) * z_depth_m_hw[..., None]
    return transform(world_T_cam, camera_points)


def project(
    world_points: Floats, K: Floats, world_T_cam: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel positions [..., 2] and planar depths [...] of world points [..., 3].

    Points on or behind the camera plane have depth <= 0 and NaN positions.
    """
    points = transform(inverse(world_T_cam), world_points)
    z = points[..., 2]
    safe_z = np.where(z > 0, z, np.nan)
    u = K[0, 0] * points[..., 0] / safe_z + K[0, 2]
    v = K[1, 1] * points[..., 1] / safe_z + K[1, 2]
    return np.stack([u, v], axis=-1), z


def transform(a_T_b: Floats, points: Floats) -> NDArray[np.float64]:
    """Points [..., 3] of frame b in frame a."""
    return np.asarray(points @ a_T_b[:3, :3].T + a_T_b[:3, 3], np.float64)


def inverse(a_T_b: Floats) -> NDArray[np.float64]:
    """The inverse b_T_a of rigid transforms [..., 4, 4]."""
    rotation = np.swapaxes(a_T_b[..., :3, :3], -1, -2)
    inverted = np.zeros(a_T_b.shape, np.float64)
    inverted[..., :3, :3] = rotation
    inverted[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation, a_T_b[..., :3, 3])
    inverted[..., 3, 3] = 1.0
    return inverted


def rigid(rotation: Floats, translation: Floats) -> NDArray[np.float64]:
    """Rigid transforms [..., 4, 4] from rotations [..., 3, 3] and translations [..., 3]."""
    shape = np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    result = np.zeros((*shape, 4, 4))
    result[..., :3, :3] = rotation
    result[..., :3, 3] = translation
    result[..., 3, 3] = 1.0
    return result


def axis_rotation(axis: Floats, angle_rad: Floats | float) -> NDArray[np.float64]:
    """Rotations [..., 3, 3] by `angle_rad` [...] about one axis [3] (Rodrigues' formula).

    SciPy's `Rotation.from_rotvec` agrees to 1e-15 but not in the last bits, which the bytes of
    rendered worlds depend on.
    """
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.asarray(angle_rad, np.float64)[..., None, None]
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))


def look_at(eye: Floats, target: Floats) -> NDArray[np.float64]:
    """`world_T_cam` [..., 4, 4] of a camera at `eye` that points at `target`, with a level horizon.

    Undefined if the view is vertical.
    """
    forward = target - eye
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    down = np.cross(forward, right)
    return rigid(np.stack([right, down, forward], axis=-1), np.asarray(eye, np.float64))
