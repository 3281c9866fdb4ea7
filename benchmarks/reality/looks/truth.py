"""The truth of one clip of a look, at the instants of the clip's frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from p4d.geometry.cameras import inverse, project, scale_intrinsics, transform

LEAST_SHARE = 1 / 3
"""Of a mark's pixels on one object; below it, the mark lies on nothing."""
OTHER_SHARE = 0.25
"""Of the pixels of a mark's object, that a second object has in the mark: the mark lies on both."""
SEEN_LEVELS, UNSEEN_SHARE = 4, 0.001
"""Grey levels by which a clean picture must change in any colour, in more than this share of it,
for a person to see that something moves there."""


@dataclass(frozen=True, kw_only=True)
class LookTruth:
    """What a clip shows: T frames, K objects, maps of S x S px as the clip has them.

    Attributes:
        instance_thw: instance numbers, 0 for the background.
        world_T_cam_t44, world_T_obj_kt44: poses.
        K_33: intrinsics of the maps.
        size_m_k3: extents of the objects.
        at_s_t: times of the frames.
        size_px: width and height of the video.
        video_s_t, video_m_kt3: times of all frames of the video, and the centres of the objects in
            them; those of the clip if the video has no others.
        clean_thw3: the pictures before blur, noise and codec, u8; None if they are not known.
    """

    instance_thw: np.ndarray
    world_T_cam_t44: np.ndarray
    world_T_obj_kt44: np.ndarray
    K_33: np.ndarray
    size_m_k3: np.ndarray
    at_s_t: np.ndarray
    size_px: tuple[int, int]
    video_s_t: np.ndarray | None = None
    video_m_kt3: np.ndarray | None = None
    clean_thw3: np.ndarray | None = None

    @classmethod
    def read(cls, path: Path, frame_pts_ns: Sequence[int], size_px: int) -> LookTruth:
        """Read the truth at the frames of a clip, found by their times."""
        with np.load(path) as stored:
            whole = dict(stored)
        frames = np.abs(whole["pts_ns"][None] - np.array(frame_pts_ns)[:, None]).argmin(1)
        height, width = whole["instance_thw"].shape[1:]
        rows = ((np.arange(size_px) + 0.5) * height / size_px).astype(int)
        columns = ((np.arange(size_px) + 0.5) * width / size_px).astype(int)
        return cls(
            instance_thw=whole["instance_thw"][frames][:, rows][:, :, columns],
            world_T_cam_t44=whole["world_T_cam_t44"][frames],
            world_T_obj_kt44=whole["world_T_obj_kt44"][:, frames],
            K_33=scale_intrinsics(whole["K_33"], size_px / width, size_px / height),
            size_m_k3=whole["size_m_k3"],
            at_s_t=whole["pts_ns"][frames] * 1e-9,
            size_px=(width, height),
            video_s_t=whole["pts_ns"] * 1e-9,
            video_m_kt3=whole["world_T_obj_kt44"][:, :, :3, 3],
            clean_thw3=whole["clean_thw3"][frames][:, rows][:, :, columns],
        )

    def object_under(self, mask_hw: np.ndarray) -> tuple[int | None, bool]:
        """Index of the object under a mark of the first frame, or None; and whether of several."""
        under = np.bincount(
            self.instance_thw[0][mask_hw.astype(bool)], minlength=len(self.size_m_k3) + 1
        )[1:]
        order = np.argsort(-under, kind="stable")
        if under[order[0]] < max(1.0, LEAST_SHARE * mask_hw.sum()):
            return None, False
        several = len(order) > 1 and under[order[1]] >= OTHER_SHARE * under[order[0]]
        return int(order[0]), bool(several)

    def centre_m(self, k: int, frame: int) -> np.ndarray:
        """Centre of an object in the world."""
        return np.asarray(self.world_T_obj_kt44[k, frame, :3, 3])

    def in_camera_m(self, k: int, frame: int, seen_from: int) -> np.ndarray:
        """Centre of an object at one frame in the camera of another (right, down, ahead)."""
        return transform(inverse(self.world_T_cam_t44[seen_from]), self.centre_m(k, frame))

    def pixel(self, k: int, frame: int, seen_from: int) -> np.ndarray:
        """Where the centre of an object is at one frame, in the picture of another frame."""
        uv_px, _ = project(self.centre_m(k, frame), self.K_33, self.world_T_cam_t44[seen_from])
        return np.asarray(uv_px)

    def seen_px(self, k: int, frame: int) -> np.ndarray | None:
        """Centre of what is seen of an object; None if nothing is."""
        v, u = np.nonzero(self.instance_thw[frame] == k + 1)
        return np.array([u.mean() + 0.5, v.mean() + 0.5]) if len(u) else None

    def shows(self, k: int, begin: int, end: int) -> bool:
        """Whether the clean pictures change where they show an object; so if they are not known."""
        if self.clean_thw3 is None:
            return True
        within = slice(begin, end + 1)
        clean = self.clean_thw3[within].astype(np.int16)
        own_hw = (self.instance_thw[within] == k + 1).any(axis=0)
        changed_hw = np.abs(clean - clean[0]).max(axis=(0, 3)) >= SEEN_LEVELS
        return int((changed_hw & own_hw).sum()) > UNSEEN_SHARE * own_hw.size

    def moved_m(self, k: int, begin: int, end: int) -> float:
        """Farthest distance from the first place."""
        places = self.world_T_obj_kt44[k, begin : end + 1, :3, 3]
        return float(np.linalg.norm(places - places[0], axis=1).max())

    def path_m(self, k: int, begin: int, end: int) -> float:
        """Length of the path through the places of the frames."""
        places = self.world_T_obj_kt44[k, begin : end + 1, :3, 3]
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())

    def between(self, k: int, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Times of all frames of the video between two of the clip, and the centres there."""
        if self.video_s_t is None or self.video_m_kt3 is None:
            within = slice(begin, end + 1)
            return self.at_s_t[within], self.world_T_obj_kt44[k, within, :3, 3]
        inside = (self.video_s_t >= self.at_s_t[begin]) & (self.video_s_t <= self.at_s_t[end])
        return self.video_s_t[inside], self.video_m_kt3[k, inside]

    def turned_rad(self, k: int, begin: int, end: int) -> float:
        """Sum of the angles between successive frames."""
        turns = Rotation.from_matrix(self.world_T_obj_kt44[k, begin : end + 1, :3, :3])
        return float((turns[1:] * turns[:-1].inv()).magnitude().sum())
