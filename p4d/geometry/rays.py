"""Pluecker rays of cameras, and cameras from Pluecker rays.

A ray is (d, o x d): unit direction and moment, both in the first frame's camera. This is what a
network predicts per pixel instead of a pose (Zhang et al., "Cameras as Rays", ICLR 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import (
    Floats,
    camera_directions,
    inverse,
    pixel_centres,
    rigid,
    scale_intrinsics,
)


def rays_from_cameras(
    K_t33: Floats,
    world_T_cam_t44: Floats,
    size_px: tuple[int, int],
    grid: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Rays through the pixel centres of every frame, [T, height, width, 6].

    Args:
        K_t33: intrinsics at `size_px`.
        world_T_cam_t44: poses; the first one defines the frame of the rays.
        size_px: (height, width) that the intrinsics belong to.
        grid: (height, width) of the result, default `size_px`; the picture is squashed to it.
    """
    height, width = grid or size_px
    K_t33 = scale_intrinsics(K_t33, width / size_px[1], height / size_px[0])
    first_T_cam_t44 = inverse(world_T_cam_t44[0]) @ world_T_cam_t44
    directions = camera_directions(K_t33, height, width)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    directions = np.einsum("tij,thwj->thwi", first_T_cam_t44[:, :3, :3], directions)
    moments = np.cross(first_T_cam_t44[:, None, None, :3, 3], directions)
    return np.concatenate([directions, moments], axis=-1)


def pose_from_rays(rays_hw6: Floats, K: Floats) -> NDArray[np.float64]:
    """Least-squares poses `first_T_cam` [..., 4, 4] of rays [..., height, width, 6], each a frame.

    `K`, 3x3, belongs to the grid of the rays. Directions need not be unit and may be noisy.

    Raises:
        numpy.linalg.LinAlgError: a frame's rays fit no pose.
    """
    seen = camera_directions(K, *rays_hw6.shape[-3:-1]).reshape(-1, 3)
    seen /= np.linalg.norm(seen, axis=-1, keepdims=True)
    directions, centre = _directions_and_centre(rays_hw6)
    return rigid(_closest_rotation(np.swapaxes(directions, -1, -2) @ seen), centre)


def camera_from_rays(rays_hw6: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intrinsics and pose (K 3x3 at the grid's size, `first_T_cam` 4x4) of one frame's rays.

    Directions are a homography of pixels, d ~ R K^-1 (u, v, 1): it is found by the direct linear
    transform and split by RQ decomposition; skew is dropped.
    """
    height, width = rays_hw6.shape[:2]
    directions, _ = _directions_and_centre(rays_hw6)
    # Pixels are centred and scaled first: the linear system is badly conditioned otherwise.
    scaled_T_px = np.array([[2 / width, 0.0, -1.0], [0.0, 2 / height, -1.0], [0.0, 0.0, 1.0]])
    pixels = pixel_centres(height, width).reshape(-1, 2)
    scaled = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=-1) @ scaled_T_px.T
    x, y, z = (directions[:, i : i + 1] * scaled for i in range(3))
    zero = np.zeros_like(x)
    rows = np.concatenate(
        [
            np.concatenate([zero, -z, y], axis=-1),
            np.concatenate([z, zero, -x], axis=-1),
            np.concatenate([-y, x, zero], axis=-1),
        ]
    )
    homography = np.linalg.eigh(rows.T @ rows)[1][:, 0].reshape(3, 3) @ scaled_T_px
    if np.einsum("ni,ij,nj->", directions, homography @ np.linalg.inv(scaled_T_px), scaled) < 0:
        homography = -homography
    # homography = R K^-1 up to scale: QR of it gives the rotation and the inverse intrinsics.
    rotation, upper = np.linalg.qr(homography)
    signs = np.sign(np.diag(upper))
    K = np.linalg.inv(signs[:, None] * upper)
    K = K / K[2, 2]
    K[0, 1] = 0.0
    del rotation
    return K, pose_from_rays(rays_hw6, K)


def _directions_and_centre(rays_hw6: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rays = np.asarray(rays_hw6, np.float64).reshape(*rays_hw6.shape[:-3], -1, 6)
    length = np.linalg.norm(rays[..., :3], axis=-1, keepdims=True)
    directions, moments = rays[..., :3] / length, rays[..., 3:] / length
    # The centre o solves o x d = m for all rays: -[d]x o = m, in normal equations.
    projector = np.eye(3) * rays.shape[-2] - np.swapaxes(directions, -1, -2) @ directions
    turned = np.cross(directions, moments).sum(axis=-2)
    return directions, np.linalg.solve(projector, turned[..., None])[..., 0]


def _closest_rotation(matrix: Floats) -> NDArray[np.float64]:
    u, _, vt = np.linalg.svd(matrix)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return np.asarray(u @ vt)
