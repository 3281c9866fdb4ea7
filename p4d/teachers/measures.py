"""Errors of labels against truth, and their self-consistency, on numpy arrays.

Depth: AbsRel and delta1 as in Eigen et al. 2014. Relative depth has no scale; it is first scaled by
one factor, the median ratio of truth to depth over all valid pixels. Inverse depth up to scale and
offset is first fitted to the true inverse depth by least squares, as in Ranftl et al. 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, camera_directions, inverse

MOTION_THRESHOLD = 0.5
"""Probability from which a pixel counts as moving in these measures."""


def scale_to(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float:
    """The factor from relative depth to the scale of the truth; 1 if no pixel is valid."""
    return float(np.median(truth[valid] / depth[valid])) if valid.any() else 1.0


def fitted_depth(inverse: Floats, truth: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Depth from inverse depth whose scale and offset are fitted to the truth of one picture.

    Fitted inverse depth is held between those of a millionth and a million of the median depth.
    """
    if valid.sum() < 2:
        return np.zeros(inverse.shape)
    known = np.asarray(inverse[valid], np.float64)
    ones = np.ones(known.size)
    wanted = 1.0 / np.asarray(truth[valid], np.float64)
    (scale, offset), *_ = np.linalg.lstsq(np.stack([known, ones], 1), wanted, rcond=None)
    middle = float(np.median(wanted))
    return 1.0 / np.clip(scale * inverse + offset, middle * 1e-6, middle * 1e6)


def depth_absrel(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Mean of |z - truth| / truth over valid pixels; None if there are none."""
    if not valid.any():
        return None
    return float(np.mean(np.abs(depth[valid] - truth[valid]) / truth[valid]))


def depth_delta1(depth: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Share of valid pixels within a factor of 1.25 of the truth; None if there are none."""
    if not valid.any():
        return None
    ratio = np.maximum(depth[valid] / truth[valid], truth[valid] / depth[valid])
    return float(np.mean(ratio < 1.25))


def flow_epe_px(flow: Floats, truth: Floats, valid: NDArray[np.bool_]) -> float | None:
    """Mean end-point error over valid pixels; None if there are none."""
    if not valid.any():
        return None
    return float(np.mean(_length(flow - truth)[valid]))


def motion_iou(probability: Floats, truth: NDArray[np.bool_]) -> float | None:
    """Intersection over union of moving pixels; None if neither has any."""
    moving = probability >= MOTION_THRESHOLD
    union = int((moving | truth).sum())
    return float((moving & truth).sum() / union) if union else None


def ray_angle_rad(rays: Floats, truth: Floats) -> float:
    """Mean angle between directions of rays [..., 6]."""
    a = rays[..., :3] / np.linalg.norm(rays[..., :3], axis=-1, keepdims=True)
    b = truth[..., :3] / np.linalg.norm(truth[..., :3], axis=-1, keepdims=True)
    # From the chord, because arccos loses small angles.
    chord = np.linalg.norm(a - b, axis=-1)
    return float(np.mean(2 * np.arcsin(np.clip(chord / 2, 0, 1))))


def pose_errors(found_t44: Floats, truth_t44: Floats) -> tuple[float, float | None]:
    """Errors of poses relative to the first, after the best scale of their translations.

    Returns:
        The largest angle between rotations in rad, and the root mean square of the distances
        between camera centres over the length of the true path; None if the true camera stays,
        because a path of any scale then fits.
    """
    found, truth = (inverse(poses[0]) @ poses for poses in (found_t44, truth_t44))
    turned = found[:, :3, :3].swapaxes(1, 2) @ truth[:, :3, :3]
    # From the chord, because arccos loses small angles.
    chord = np.linalg.norm(turned - np.eye(3), axis=(1, 2)) / np.sqrt(8)
    angle_rad = float(2 * np.arcsin(np.clip(chord, 0, 1)).max())
    moved, wanted = found[:, :3, 3], truth[:, :3, 3]
    path = float(np.linalg.norm(np.diff(wanted, axis=0), axis=1).sum())
    if path < 1e-6:
        return angle_rad, None
    scale = float((moved * wanted).sum() / max((moved**2).sum(), 1e-12))
    apart = float(np.sqrt(((scale * moved - wanted) ** 2).sum(1).mean()))
    return angle_rad, apart / path


def reprojection(
    depth_thw: Floats,
    K_t33: Floats,
    world_T_cam_t44: Floats,
    flow_px_thw2: Floats,
    still_thw: NDArray[np.bool_],
) -> tuple[float | None, float | None]:
    """Self-consistency of depth, camera and flow, without truth.

    Returns:
        First the median distance in px between the flow and the flow that depth and camera imply,
        over pixels of `still_thw` that land inside the previous frame. Second the largest jump of
        the scale of depth: over pairs of frames, the maximum |log| of the median ratio of the
        previous frame's depth to the depth expected there. None if there is nothing to compare.
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
    ratio, earlier = np.log(found[known] / z[known]), earlier[known]  # in the order of frames
    of_frames = np.split(ratio, np.flatnonzero(np.diff(earlier)) + 1)
    jumps = [abs(_median(each)) for each in of_frames if each.size]
    return _median(_length(flow - induced)), max(jumps, default=None)


def _median(values: Floats) -> float:
    """The median of finite values; `np.median` takes several times as long for a few thousand."""
    ordered, middle = np.sort(values), values.size // 2
    if values.size % 2:
        return float(ordered[middle])
    return float((ordered[middle - 1] + ordered[middle]) / 2)


def _length(vectors: Floats) -> NDArray[np.floating]:
    """Length of vectors [..., 2]; hypot and norm take several times as long."""
    return np.asarray(np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2))
