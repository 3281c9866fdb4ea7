"""Cameras of a clip from the ray grids a network predicts.

Rays are given in the first frame's camera, so its pose is the identity and its directions determine
the intrinsics: u = fx dx/dz + cx is linear in (fx, cx). Later frames have the same intrinsics (no
zoom within a clip), and their pose is a least-squares fit. Rays that fit no camera give NaN; the
label contract then rejects the label of that clip.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, pixel_centres
from p4d.geometry.rays import pose_from_rays


def fit_cameras(rays_thw6: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intrinsics 3x3 at the grid's size and `first_T_cam` [T, 4, 4] of predicted rays."""
    K = _fit_intrinsics(np.asarray(rays_thw6[0], np.float64))
    poses = np.full((len(rays_thw6), 4, 4), np.nan)
    poses[0] = np.eye(4)
    if np.isfinite(K).all():
        # If one frame fits no pose, all poses stay NaN: the label is rejected for one as for all.
        with suppress(np.linalg.LinAlgError):
            poses[1:] = pose_from_rays(rays_thw6[1:], K)
    return K, poses


def _fit_intrinsics(rays_hw6: NDArray[np.float64]) -> NDArray[np.float64]:
    unknown = np.full((3, 3), np.nan)
    if not np.isfinite(rays_hw6).all() or (rays_hw6[..., 2] <= 1e-3).any():
        return unknown  # a ray points sideways or backwards
    K = np.eye(3)
    pixels = pixel_centres(*rays_hw6.shape[:2])
    for axis in range(2):
        slope = (rays_hw6[..., axis] / rays_hw6[..., 2]).ravel()
        focal, centre = np.polyfit(slope, pixels[..., axis].ravel(), 1)
        if focal <= 0:
            return unknown
        K[axis, axis], K[axis, 2] = focal, centre
    return K
