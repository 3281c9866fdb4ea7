"""How far labels are from the truth, and from themselves. All take numpy arrays.

Depth: AbsRel and delta1 as in Eigen et al. 2014. A relative depth is first brought to the truth's
scale by one factor (the median ratio of all valid pixels), as such depth promises no scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, camera_directions, inverse

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
    return float(np.mean(_length(flow - truth)[valid]))


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
    earlier_T_cam_t44 = inverse(world_T_cam_t44[:-1]) @ world_T_cam_t44[1:]
    seen = camera_directions(K_t33[1:], height, width) * depth_thw[1:, ..., None]
    turned = seen.reshape(frames - 1, -1, 3) @ earlier_T_cam_t44[:, :3, :3].swapaxes(1, 2)
    x, y, z = np.moveaxis(turned + earlier_T_cam_t44[:, None, :3, 3], 2, 0)
    K_t33 = K_t33[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = K_t33[:, 0, 0, None] * x / z + K_t33[:, 0, 2, None]
        v = K_t33[:, 1, 1, None] * y / z + K_t33[:, 1, 2, None]
        inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    inside &= still_thw[1:].reshape(inside.shape)
    if not inside.any():
        return None, None
    earlier, pixel = np.nonzero(inside)
    u, v, z = u[inside], v[inside], z[inside]
    flow = flow_px_thw2[1:].reshape(frames - 1, -1, 2)[inside]
    rows, columns = np.divmod(pixel, width)
    induced = np.stack([u - columns - 0.5, v - rows - 0.5], -1)
    found = depth_thw[earlier, v.astype(int), u.astype(int)]
    known = found > 0
    ratio, earlier = np.log(found[known] / z[known]), earlier[known]
    jumps = [abs(float(np.median(ratio[earlier == t]))) for t in np.unique(earlier)]
    return float(np.median(_length(flow - induced))), max(jumps, default=None)


def _length(vectors: Floats) -> NDArray[np.floating]:
    """Of [..., 2]; hypot and norm take several times as long."""
    return np.asarray(np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2))
