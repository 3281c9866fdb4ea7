"""A teacher of camera and motion without weights, from the flow and depth of other teachers.

Each frame's pixels are lifted by their depth and found again in the frame before by their flow. The
pose that explains most of them is that of the camera (perspective-n-point inside RANSAC, then
refined on its inliers; OpenCV). What it does not explain moves by itself: the motion map is how far
the flow is from that of the camera alone, in its own noise.

Validity: each pair of frames needs enough pixels with flow and depth, most of them inliers, and
depths of one scale. One pair that fails breaks the chain of poses, so the clip gets no camera and
no motion, and its row names the pair. Intrinsics are those of the depth teacher if it has any, or
else a guess: the focal length is the longer side of the picture, as for most phones held level.
Scale is that of the depth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.config import TeacherParams
from p4d.errors import ConfigError, LabelError
from p4d.geometry.cameras import camera_directions, scale_intrinsics
from p4d.geometry.map_grid import picture_map_intrinsics, sample_map
from p4d.ids import canonical_json
from p4d.teachers.flow_dis import opencv
from p4d.teachers.protocol import ClipInput, LabelArrays, Teacher
from p4d.video.source_frames import SourceSize

FOCAL_PER_SIDE = 1.0
INLIER_SHARE_OF_SIDE = 0.0125
"""An inlier is within this share of the map's side, 0.8 px of 64, of where the camera leads."""

LEAST_KNOWN, LEAST_INLIERS = 0.1, 0.4
"""Shares of the pixels with flow and depth, and of the inliers among them, below which a pair of
frames gives no pose."""

MOST_SCALE_JUMP = 1.25
"""Ratio of the depths of successive frames at which they have no common scale."""

NOISE_PX, RISE = 0.06, 3.0
"""Least noise of flow at 64 px a side; deviations in noise at which half of the pixels move."""

_ITERATIONS, _CONFIDENCE = 200, 0.999


@dataclass(frozen=True)
class Link:
    """What a pair of frames gives.

    Attributes:
        earlier_T_later: pose of the later camera in the earlier one's frame, 4x4.
        off_px: [M, M] distance of the flow from that of the camera; NaN where unknown.
        noise_px: its size on inliers.
    """

    earlier_T_later: NDArray
    off_px: NDArray
    noise_px: float


class FlowCameraTeacher:
    """Poses, intrinsics and motion from stored flow and depth."""

    needs_truth = False
    reads: SourceSize | None = None
    batch = 1

    def __init__(
        self, name: str, settings: TeacherParams, *, flow_by: Teacher, depth_by: Teacher
    ) -> None:
        """Take flow and depth of two teachers, or of one that gives both.

        Raises:
            ConfigError: the depth has no common scale, a size is stated, OpenCV is not installed.
        """
        self._cv = opencv(name)
        self.name, self.uses = name, tuple(dict.fromkeys((flow_by.name, depth_by.name)))
        self._flow_by, self._depth_by = flow_by.name, depth_by.name
        if depth_by.depth_kind != "z":
            raise ConfigError(
                f"labels.settings.{name}: {depth_by.name} gives inverse depth up to scale and "
                "offset, from which no camera follows; use a teacher of depth"
            )
        self.map_px = flow_by.map_px
        if settings.map_px not in (0, self.map_px) or settings.input_px:
            raise ConfigError(
                f"labels.settings.{name}: its maps are those of {flow_by.name}; remove map_px and "
                "input_px"
            )
        self.depth_kind, self.scale_kind = "z", depth_by.scale_kind
        self.sigma = {"motion": settings.motion_sigma} if settings.motion_sigma else {}
        self.file_digests: dict[str, str] = {}
        digests = [flow_by.digest, depth_by.digest]
        identity = ["camera_flow-1", self._cv.__version__, digests]
        self.digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Camera and motion of the clips.

        Raises:
            LabelError: flow or depth of a clip is missing, or a pair of frames gives no pose.
        """
        return [self._label_clip(clip) for clip in clips]

    def _label_clip(self, clip: ClipInput) -> LabelArrays:
        flow, depth = (clip.labels.get(name, {}) for name in (self._flow_by, self._depth_by))
        if "flow_px_thw2" not in flow or "depth_thw" not in depth:
            raise LabelError(
                f"clip {clip.clip_id}: no flow of {self._flow_by}, or depth of {self._depth_by}"
            )
        K_t33 = self._intrinsics(clip, depth)
        z_thw = np.where(depth["valid_thw"], depth["depth_thw"], 0)
        z_thw = sample_map(z_thw, self.map_px)
        poses = [np.eye(4)]
        moving = np.zeros(z_thw.shape, np.float32)
        flow_px, known = flow["flow_px_thw2"], flow["flow_valid_thw"]
        for t in range(1, len(z_thw)):
            link = self._link(K_t33[t - 1 : t + 1], z_thw[t - 1 : t + 1], flow_px[t], known[t], t)
            poses.append(poses[-1] @ link.earlier_T_later)
            moving[t] = self._filled(probability(link, self.map_px))
        if len(moving) > 1:
            moving[0] = self._filled(carried_back(moving[1], flow_px[1], known[1]))
        return LabelArrays(motion_thw=moving, world_T_cam_t44=np.stack(poses), K_t33=K_t33)

    def _intrinsics(self, clip: ClipInput, depth: Mapping[str, NDArray]) -> NDArray[np.float64]:
        """Of the map grid: the depth teacher's, or a guess."""
        frames, side = depth["depth_thw"].shape[:2]
        if "K_t33" in depth:
            return scale_intrinsics(depth["K_t33"], self.map_px / side, self.map_px / side)
        width, height = clip.picture_px or (1, 1)
        K = np.diag([max(width, height) * FOCAL_PER_SIDE] * 2 + [1.0])
        K[:2, 2] = width / 2, height / 2
        return np.repeat(picture_map_intrinsics(K[None], (width, height), self.map_px), frames, 0)

    def _link(
        self, K_233: NDArray, z_2hw: NDArray, flow_px: NDArray, flow_known: NDArray, t: int
    ) -> Link:
        """Pose and unexplained flow between frame t and the one before it."""
        side = self.map_px
        centres = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1) + 0.5
        landed = centres + flow_px
        known = flow_known & (z_2hw[1] > 0)
        if known.mean() < LEAST_KNOWN:
            raise LabelError(f"frame {t}: flow and depth are known of {known.mean():.0%}")
        points = camera_directions(K_233[1:], side, side)[0].reshape(side, side, 3)
        points = points * z_2hw[1][..., None]
        rotation, moved, inliers = self._pose(points[known], landed[known], K_233[0])
        if inliers < LEAST_INLIERS:
            raise LabelError(
                f"frame {t}: one camera explains {inliers:.0%} of the flow, of which "
                f"{LEAST_INLIERS:.0%} are needed"
            )
        seen = points @ rotation.T + moved
        _check_scale(seen, landed, z_2hw[0], known, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            led = (seen @ K_233[0].T)[..., :2] / seen[..., 2:]
        off = np.linalg.norm(landed - led, axis=-1)
        noise = 1.4826 * float(np.median(off[known]))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, moved
        return Link(pose, np.where(known, off, np.nan), noise)

    def _pose(self, points: NDArray, landed: NDArray, K: NDArray) -> tuple[NDArray, NDArray, float]:
        """Rotation, translation and share of inliers; equal inputs give equal poses."""
        cv = self._cv
        cv.setRNGSeed(0)
        points, landed = (np.ascontiguousarray(each, np.float64) for each in (points, landed))
        found, turn, moved, inliers = cv.solvePnPRansac(
            points, landed, K, None, iterationsCount=_ITERATIONS, confidence=_CONFIDENCE,
            reprojectionError=INLIER_SHARE_OF_SIDE * self.map_px, flags=cv.SOLVEPNP_EPNP,
        )  # fmt: skip
        if not found or inliers is None or len(inliers) < 6:
            return np.eye(3), np.zeros(3), 0.0
        kept = inliers[:, 0]
        turn, moved = cv.solvePnPRefineLM(points[kept], landed[kept], K, None, turn, moved)
        return cv.Rodrigues(turn)[0], moved[:, 0], len(kept) / len(points)

    def _filled(self, probability_hw: NDArray) -> NDArray[np.float32]:
        """Unknown pixels take the mean of known ones around them; where there is none, zero."""
        known = np.isfinite(probability_hw)
        window = (5, 5)
        total = self._cv.blur(np.where(known, probability_hw, 0).astype(np.float32), window)
        share = self._cv.blur(known.astype(np.float32), window)
        around = np.divide(total, share, out=np.zeros_like(total), where=share > 1e-3)
        return np.clip(np.where(known, probability_hw, around), 0, 1).astype(np.float32)


def probability(link: Link, map_px: int) -> NDArray[np.float32]:
    """Probability of motion by how far the flow is from the camera's, in its noise; NaN unknown."""
    noise_px = max(link.noise_px, NOISE_PX * map_px / 64)
    with np.errstate(over="ignore"):
        found = 1 / (1 + np.exp(-2 * (link.off_px / noise_px - RISE)))
    return np.asarray(found, np.float32)


def carried_back(later_hw: NDArray, flow_px: NDArray, known: NDArray) -> NDArray[np.float32]:
    """A map of frame 1 on the pixels of frame 0 that it came from; NaN where none came from."""
    side = later_hw.shape[0]
    rows, columns = np.nonzero(known & np.isfinite(later_hw))
    u = np.floor(columns + 0.5 + flow_px[rows, columns, 0]).astype(int)
    v = np.floor(rows + 0.5 + flow_px[rows, columns, 1]).astype(int)
    inside = (u >= 0) & (u < side) & (v >= 0) & (v < side)
    earlier = np.full((side, side), -1.0, np.float32)
    np.maximum.at(earlier, (v[inside], u[inside]), later_hw[rows[inside], columns[inside]])
    return np.where(earlier < 0, np.nan, earlier).astype(np.float32)


def _check_scale(
    seen: NDArray, landed: NDArray, earlier_z: NDArray, known: NDArray, t: int
) -> None:
    """Hold the depth of the earlier frame to the one that the later frame leads to there."""
    side = earlier_z.shape[0]
    u, v = (np.floor(landed[..., axis][known]).astype(int) for axis in (0, 1))
    inside = (u >= 0) & (u < side) & (v >= 0) & (v < side)
    found, led = earlier_z[v[inside], u[inside]], seen[..., 2][known][inside]
    both = (found > 0) & (led > 0)
    ratio = float(np.median(found[both] / led[both])) if both.any() else 1.0
    if not 1 / MOST_SCALE_JUMP <= ratio <= MOST_SCALE_JUMP:
        raise LabelError(f"frame {t}: its depth is {ratio:.2f} times that of the frame before")
