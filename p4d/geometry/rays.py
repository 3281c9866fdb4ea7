"""Pluecker rays of cameras, and poses from Pluecker rays.

A ray is (d, o x d): unit direction and moment, both in the first frame's camera. A network predicts
one per pixel instead of a pose (Zhang et al., "Cameras as Rays", ICLR 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import (
    Floats,
    camera_directions,
    inverse,
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
