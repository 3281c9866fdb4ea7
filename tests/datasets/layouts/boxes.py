"""Scenes of boxes, cut by rays: pictures, exact depth, ids and flow of any camera and any lens.

Colour is fixed to each surface, so pictures move as depth says. The world has z up, metres; cameras
have OpenCV's axes and pixel centres at i + 0.5. Nothing here is taken from `p4d`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(points in the frame of their box [H, W, 3], number of the box or -1 [H, W]) to RGB u8."""


@dataclass(frozen=True)
class Box:
    """A box: its id, where it is at time 0, its extents, how it is turned and how it moves."""

    id: int
    centre_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turned_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spin_rad_s: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def pose_at(self, time_s: float) -> np.ndarray:
        """`world_T_box`, 4x4; the box turns about an axis of the world through its centre."""
        pose = np.eye(4)
        spin = Rotation.from_rotvec(np.multiply(self.spin_rad_s, time_s))
        pose[:3, :3] = (spin * Rotation.from_rotvec(self.turned_rad)).as_matrix()
        pose[:3, 3] = np.add(self.centre_m, np.multiply(self.velocity_mps, time_s))
        return pose


@dataclass(frozen=True)
class BoxScene:
    """Boxes on a ground. `paint` gives colours, `far_m` is where the sky begins."""

    boxes: tuple[Box, ...]
    ground_m: float
    far_m: float
    paint: Paint

    def view(
        self,
        K: np.ndarray,
        world_T_cam: np.ndarray,
        size_px: tuple[int, int],
        time_s: float,
        *,
        rays_hw3: np.ndarray | None = None,
    ) -> BoxView:
        """What a camera sees; `rays_hw3` (camera axes, z = 1) where a lens bends its rays."""
        if rays_hw3 is None:
            rays_hw3 = pinhole_rays(K, size_px)
        rays = rays_hw3 @ world_T_cam[:3, :3].T  # z of the camera is 1: a factor is planar depth
        eye = world_T_cam[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = (self.ground_m - eye[2]) / rays[..., 2]
            z_m = np.where((ground > 0) & (ground < self.far_m), ground, np.inf)
            box_hw = np.full(z_m.shape, -1)
            for index, box in enumerate(self.boxes):
                pose = box.pose_at(time_s)
                start = (eye - pose[:3, 3]) @ pose[:3, :3]
                along = rays @ pose[:3, :3]
                half = np.asarray(box.size_m) / 2
                entry, leave = -np.inf, np.inf
                for axis in range(3):  # NumPy is slow along an axis this short
                    near, far = (
                        (sign * half[axis] - start[axis]) / along[..., axis] for sign in (-1, 1)
                    )
                    entry = np.maximum(entry, np.minimum(near, far))
                    leave = np.minimum(leave, np.maximum(near, far))
                hit = (entry > 0.1) & (entry <= leave) & (entry < z_m) & (entry < self.far_m)
                z_m, box_hw = np.where(hit, entry, z_m), np.where(hit, index, box_hw)
        known = np.isfinite(z_m)
        z_m = np.where(known, z_m, 0.0)
        points = eye + rays * z_m[..., None]
        return BoxView(self, time_s, K, world_T_cam, z_m, box_hw, points)


@dataclass(frozen=True)
class BoxView:
    """One frame: planar depth (0 in the sky), number of the box or -1, and points in the world."""

    scene: BoxScene
    time_s: float
    K: np.ndarray
    world_T_cam: np.ndarray
    z_m_hw: np.ndarray
    box_hw: np.ndarray
    points_hw3: np.ndarray

    @property
    def ids_hw(self) -> np.ndarray:
        """The id of each pixel's box; 0 on the ground and in the sky."""
        ids = np.array([*(box.id for box in self.scene.boxes), 0])
        return ids[self.box_hw]

    @property
    def rgb_hw3(self) -> np.ndarray:
        """The picture."""
        local = self.points_hw3.copy()
        for index, box in enumerate(self.scene.boxes):
            here, pose = self.box_hw == index, box.pose_at(self.time_s)
            local[here] = (local[here] - pose[:3, 3]) @ pose[:3, :3]
        return self.scene.paint(local, np.where(self.z_m_hw > 0, self.box_hw, -2))

    def flow_to(self, other: BoxView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flow [H, W, 2] to another frame, where it is known, and where its point is seen there."""
        moved = self.points_hw3.copy()
        for index, box in enumerate(self.scene.boxes):
            change = box.pose_at(other.time_s) @ np.linalg.inv(box.pose_at(self.time_s))
            here = self.box_hw == index
            moved[here] = moved[here] @ change[:3, :3].T + change[:3, 3]
        cam = (moved - other.world_T_cam[:3, 3]) @ other.world_T_cam[:3, :3]
        known = (self.z_m_hw > 0) & (cam[..., 2] > 0.1)
        with np.errstate(divide="ignore", invalid="ignore"):
            uv = cam[..., :2] / cam[..., 2:] * other.K[(0, 1), (0, 1)] + other.K[:2, 2]
        height, width = known.shape
        v, u = np.mgrid[:height, :width] + 0.5
        flow = np.where(known[..., None], uv - np.stack([u, v], -1), 0)
        inside = known & (uv >= 0).all(-1) & (uv < (width, height)).all(-1)
        column, row = np.where(inside[..., None], uv, 0).astype(int).transpose(2, 0, 1)
        near = np.abs(other.z_m_hw[row, column] - cam[..., 2]) < 0.02 * np.maximum(cam[..., 2], 1)
        return flow, known, inside & near & (other.box_hw[row, column] == self.box_hw)


def pinhole_rays(K: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Rays [H, W, 3] of the pixel centres, z = 1, in the camera's axes."""
    width, height = size_px
    v, u = np.mgrid[:height, :width] + 0.5
    return np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1)
