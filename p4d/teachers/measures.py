"""How far labels are from the truth, and from themselves. All take numpy arrays.

Depth: AbsRel and delta1 as in Eigen et al. 2014. A relative depth is first brought to the truth's
scale by one factor (the median ratio of all valid pixels), as such depth promises no scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, camera_directions, inverse, transform

MOTION_THRESHOLD = 0.5


def scale_to(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float:
    """The factor that brings relative depth to the truth's scale; 1 where nothing is valid."""
    return float(np.median(truth[valid] / depth[valid])) if valid.any() else 1.0


def depth_absrel(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Mean of |z - truth| / truth over valid pixels."""
    if not valid.any():
        return None
    return float(np.mean(np.abs(depth[valid] - truth[valid]) / truth[valid]))


def depth_delta1(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Share of valid pixels within a factor 1.25 of the truth."""
    if not valid.any():
        return None
    ratio = np.maximum(depth[valid] / truth[valid], truth[valid] / depth[valid])
    return float(np.mean(ratio < 1.25))


def flow_epe_px(flow: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Mean end-point error over valid pixels."""
    if not valid.any():
        return None
    return float(np.mean(np.linalg.norm(flow[valid] - truth[valid], axis=-1)))


def motion_iou(probability: Floats, truth: NDArray[np.bool_]) -> float | None:
    """Intersection over union of moving pixels; None where neither has any."""
    moving = probability >= MOTION_THRESHOLD
    union = int((moving | truth).sum())
    return float((moving & truth).sum() / union) if union else None


def ray_angle_rad(rays: Floats, truth: Floats) -> float:
    """Mean angle between directions of rays [..., 6]."""
    a = rays[..., :3] / np.linalg.norm(rays[..., :3], axis=-1, keepdims=True)
    b = truth[..., :3] / np.linalg.norm(truth[..., :3], axis=-1, keepdims=True)
    # The chord, as arccos loses small angles.
    chord = np.linalg.norm(a - b, axis=-1)
    return float(np.mean(2 * np.arcsin(np.clip(chord / 2, 0, 1))))


def reprojection(
    depth_thw: Floats,
    K_t33: Floats,
    world_T_cam_t44: Floats,
    flow_px_thw2: Floats,
    still_thw: NDArray[np.bool_],
) -> tuple[float | None, float | None]:
    """Self-consistency of depth, camera and flow; needs no truth.

    Returns:
        Median distance in px between the flow and the flow that depth and camera imply, over
        pixels of `still_thw` that land inside the previous frame. And the largest |log| of the
        median ratio, per pair of frames, of the previous frame's depth to the depth expected
        there: how much the scale of depth jumps. None where there is nothing to compare.
    """
    frames, height, width = depth_thw.shape
    distances_px, jumps = [], []
    for t in range(1, frames):
        earlier_T_cam = inverse(world_T_cam_t44[t - 1]) @ world_T_cam_t44[t]
        rays = camera_directions(K_t33[t], height, width)
        points = transform(earlier_T_cam, rays * depth_thw[t][..., None])
        z = points[..., 2]
        K = K_t33[t - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = K[0, 0] * points[..., 0] / z + K[0, 2]
            v = K[1, 1] * points[..., 1] / z + K[1, 2]
            inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height) & still_thw[t]
        if not inside.any():
            continue
        rows, columns = np.nonzero(inside)
        u, v, z = u[inside], v[inside], z[inside]
        induced = np.stack([u - columns - 0.5, v - rows - 0.5], -1)
        distances_px.append(np.linalg.norm(flow_px_thw2[t][inside] - induced, axis=-1))
        found = depth_thw[t - 1][v.astype(int), u.astype(int)]
        known = found > 0
        if known.any():
            jumps.append(abs(float(np.median(np.log(found[known] / z[known])))))
    distance = float(np.median(np.concatenate(distances_px))) if distances_px else None
    return distance, max(jumps, default=None)
