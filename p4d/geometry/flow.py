"""Exact flow and motion of rigid scenes, from depth, instances and poses.

Nothing is estimated: a pixel is lifted to the world by its depth, moved back with its object, and
projected into the earlier camera. Shadows and highlights have no flow of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, pixel_centres, project, transform, unproject

MOVING_THRESHOLD_M = 0.005
"""Minimum world displacement between two frames that counts as motion."""

DEPTH_TOLERANCE = 0.02
"""Largest relative difference of depth at which two pixels may show the same point."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Depth, instances and camera of one frame.

    Attributes:
        z_depth_m_hw: planar depth; zero or negative where unknown.
        instance_hw: object ids, 0 is background.
        K: 3x3 at the size of the maps.
        world_T_cam: 4x4.
    """

    z_depth_m_hw: Floats
    instance_hw: NDArray[np.uint8]
    K: Floats
    world_T_cam: Floats


def carry(
    world_points_hw3: Floats, instance_hw: NDArray[np.uint8], moves: Mapping[int, Floats]
) -> NDArray[np.float64]:
    """World points after each instance's rigid world motion (4x4 by instance id); others stay."""
    carried = np.array(world_points_hw3, np.float64)
    for instance, motion in moves.items():
        member = instance_hw == instance
        carried[member] = transform(motion, carried[member])
    return carried


def world_motion_m(view: View, moves: Mapping[int, Floats]) -> NDArray[np.float64]:
    """World displacement of each pixel's point under `moves`, [height, width]."""
    points = unproject(view.z_depth_m_hw, view.K, view.world_T_cam)
    return np.asarray(np.linalg.norm(carry(points, view.instance_hw, moves) - points, axis=-1))


def flow_between(
    view: View,
    other: View,
    moves: Mapping[int, Floats],
    depth_tolerance: float = DEPTH_TOLERANCE,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow from `view` to `other` (pixels, [height, width, 2]) and where it is valid.

    Backward flow of frame t is `flow_between(frame t, frame t-1, moves)`.

    Args:
        view: the frame whose pixels move.
        other: the frame they move to; of the same size.
        moves: world motion of each instance from the time of `view` to that of `other`, 4x4:
            `world_T_obj_other @ inverse(world_T_obj_view)`.
        depth_tolerance: largest relative difference between the depth that is found and the
            expected one; measured depth needs more than rendered depth.

    Flow is valid if the depth is known and the point lands inside `other`, on the same instance, at
    the expected depth (so it is not hidden there). Invalid flow is zero.
    """
    height, width = view.z_depth_m_hw.shape
    points = unproject(view.z_depth_m_hw, view.K, view.world_T_cam)
    points = carry(points, view.instance_hw, moves)
    landed_uv, landed_z_m = project(points, other.K, other.world_T_cam)
    inside = (view.z_depth_m_hw > 0) & (landed_z_m > 0)
    landed_uv = np.where(inside[..., None], landed_uv, -1.0)
    u, v = landed_uv[..., 0], landed_uv[..., 1]
    inside &= (u >= 0) & (u < width) & (v >= 0) & (v < height)
    column = np.clip(u.astype(np.int64), 0, width - 1)
    row = np.clip(v.astype(np.int64), 0, height - 1)
    same = other.instance_hw[row, column] == view.instance_hw
    near = _agrees(other.z_depth_m_hw[row, column], landed_z_m, depth_tolerance) | _agrees(
        _between_pixels(other.z_depth_m_hw, u, v), landed_z_m, depth_tolerance
    )
    valid = inside & same & near
    flow = np.where(valid[..., None], landed_uv - pixel_centres(height, width), 0.0)
    return flow.astype(np.float32), valid


def _agrees(found_z_m: Floats, expected_z_m: Floats, tolerance: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(found_z_m - expected_z_m) <= tolerance * expected_z_m)


def _between_pixels(z_depth_m_hw: Floats, u: Floats, v: Floats) -> NDArray[np.float64]:
    """Depth between pixel centres. Inverse depth is linear on a plane, so it is interpolated."""
    height, width = z_depth_m_hw.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse_z = np.where(z_depth_m_hw > 0, 1.0 / np.asarray(z_depth_m_hw, np.float64), np.nan)
    x = np.clip(u - 0.5, 0, width - 1)
    y = np.clip(v - 0.5, 0, height - 1)
    left = np.minimum(x.astype(np.int64), max(width - 2, 0))
    top = np.minimum(y.astype(np.int64), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = x - left, y - top
    upper = inverse_z[top, left] * (1 - fx) + inverse_z[top, right] * fx
    lower = inverse_z[bottom, left] * (1 - fx) + inverse_z[bottom, right] * fx
    return 1.0 / (upper * (1 - fy) + lower * fy)
