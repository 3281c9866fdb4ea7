"""Where the marked regions of a clip are: by poses of objects, or by depth under their masks.

Depth shows a surface, and questions ask for centres. The centre of an object lies behind its
visible surface by about half of its extent, which nobody measured. So the place is the median of
the surface, and half of the visible extent is its error. A region that touches the border of the
picture, or of whose pixels fewer than half have depth, has no place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import camera_directions, transform
from p4d.truth import ClipParts

LEAST_SHARE = 0.5
"""Of the pixels of a region that must have depth."""
LEAST_PIXELS = 8


@dataclass(frozen=True, kw_only=True)
class ClipGeometry:
    """Truth of a clip, by the names of clips/truth.safetensors, and the masks of its regions.

    Attributes:
        arrays: those that are there.
        parts: what they are.
        masks_kthw: of the marked regions, in mark order.
        rows: of objects.parquet by region; None for a region that is no object of the truth.
    """

    arrays: Mapping[str, NDArray]
    parts: ClipParts
    masks_kthw: NDArray[np.uint8]
    rows: Sequence[Mapping[str, object] | None]

    @property
    def camera_known_t(self) -> NDArray[np.bool_]:
        """Frames with a pose."""
        frames = self.masks_kthw.shape[1]
        known = self.arrays.get("camera_known_t")
        return np.zeros(frames, bool) if known is None else known.astype(bool)

    @property
    def world_T_cam_t44(self) -> NDArray[np.float64]:
        """Poses of all frames; an unknown one is that of the nearest known frame, or the identity.

        Nothing that needs the pose of such a frame may be measured in it; it only keeps places in
        the camera of the frame in one frame of reference.
        """
        known_t = self.camera_known_t
        if not known_t.any():
            return np.broadcast_to(np.eye(4), (len(known_t), 4, 4)).copy()
        at = np.flatnonzero(known_t)
        nearest = at[np.abs(np.arange(len(known_t))[:, None] - at).argmin(axis=1)]
        return np.asarray(self.arrays["world_T_cam_t44"][nearest])


@dataclass(frozen=True, kw_only=True)
class Places:
    """Poses of the regions in the world of a clip.

    Attributes:
        world_T_obj_kt44: their rotation is the identity where no pose of the object is known.
        known_kt: whether the place is known in the frame, in the camera of the frame at least.
        sigma_m_kt: error beside that of exact truth.
        posed_k: whether the rotation is known in every frame.
        static_k: whether the object is stated to be static.
    """

    world_T_obj_kt44: NDArray[np.float64]
    known_kt: NDArray[np.bool_]
    sigma_m_kt: NDArray[np.float64]
    posed_k: NDArray[np.bool_]
    static_k: NDArray[np.bool_]


def places_of(clip: ClipGeometry) -> Places:
    """Find the places of all marked regions."""
    regions, frames = clip.masks_kthw.shape[:2]
    found = Places(
        world_T_obj_kt44=np.broadcast_to(np.eye(4), (regions, frames, 4, 4)).copy(),
        known_kt=np.zeros((regions, frames), bool),
        sigma_m_kt=np.zeros((regions, frames)),
        posed_k=np.zeros(regions, bool),
        static_k=np.array([_static(row) for row in clip.rows], bool),
    )
    for k, row in enumerate(clip.rows):
        by_pose = _by_pose(clip, row)
        if by_pose is not None:
            poses, known_t = by_pose
            found.world_T_obj_kt44[k, known_t] = poses[known_t]
            found.known_kt[k] = known_t
            found.posed_k[k] = bool(known_t.all())
        else:
            _by_depth(clip, k, found)
    return found


def _static(row: Mapping[str, object] | None) -> bool:
    return row is not None and row["motion"] == "static"


def _by_pose(
    clip: ClipGeometry, row: Mapping[str, object] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    if row is None or "object_poses" not in clip.parts.gives:
        return None
    k = int(row["k"])  # type: ignore[call-overload]
    known_t = clip.arrays["object_known_kt"][k].astype(bool)
    if not known_t.any():
        return None
    # A pose places the object in the world, so the camera of the frame must be known as well.
    return clip.arrays["world_T_obj_kt44"][k], known_t & clip.camera_known_t


def _by_depth(clip: ClipGeometry, k: int, found: Places) -> None:
    """Fill row `k` of the places from depth under the masks."""
    if not {"depth", "intrinsics"} <= clip.parts.gives:
        return
    camera = clip.world_T_cam_t44
    for t, mask_hw in enumerate(clip.masks_kthw[k].astype(bool)):
        seen = _surface(
            clip.arrays["z_depth_m_thw"][t], clip.arrays["valid_thw"][t], clip.arrays["K_t33"][t],
            mask_hw,
        )  # fmt: skip
        if seen is None:
            continue
        place_m, extent_m = seen
        found.world_T_obj_kt44[k, t, :3, 3] = transform(camera[t], place_m)
        found.known_kt[k, t] = True
        noise_m = clip.parts.depth_sigma_ratio * float(place_m[2])
        found.sigma_m_kt[k, t] = extent_m / 2 + noise_m + clip.parts.pose_sigma_m
    settled_t = found.known_kt[k] & clip.camera_known_t
    if found.static_k[k] and settled_t.any():
        # One place in all frames: what differs between them is what the masks showed.
        middle_m = np.median(found.world_T_obj_kt44[k, settled_t, :3, 3], axis=0)
        sigma_m = float(np.median(found.sigma_m_kt[k, settled_t]))
        found.world_T_obj_kt44[k, clip.camera_known_t, :3, 3] = middle_m
        found.sigma_m_kt[k, clip.camera_known_t] = sigma_m
        found.known_kt[k] |= clip.camera_known_t


def _surface(
    z_hw: NDArray[np.float32],
    valid_hw: NDArray[np.uint8],
    K: NDArray[np.float64],
    mask_hw: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], float] | None:
    """The median of a visible surface in the camera, and its largest extent along an axis of it."""
    border = np.concatenate([mask_hw[0], mask_hw[-1], mask_hw[:, 0], mask_hw[:, -1]])
    both = mask_hw & (valid_hw > 0)
    if border.any() or both.sum() < max(LEAST_PIXELS, LEAST_SHARE * mask_hw.sum()):
        return None
    points = camera_directions(K, *z_hw.shape)[both] * z_hw[both][:, None]
    low, high = np.percentile(points, [5, 95], axis=0)
    return np.median(points, axis=0), float((high - low).max())
