"""A street of boxes, seen by a camera on a car: pictures, exact depth, ids and flow.

Rays are cut with boxes and the ground. The world is east, north, up; its origin is the inertial
unit's first position, 0.93 m above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GROUND_M = -0.93
FAR_M = 80.0


@dataclass(frozen=True)
class Box:
    """An axis-aligned box: where it is at time 0, its extents, how it moves, and its id."""

    id: int
    centre_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def centre_at(self, time_s: float) -> np.ndarray:
        return np.add(self.centre_m, np.multiply(self.velocity_mps, time_s))


@dataclass(frozen=True)
class Street:
    """What there is; ids of MOTS: cars 1001 and 1005, a pedestrian 2003; walls are background."""

    boxes: tuple[Box, ...] = field(
        default=(
            Box(1001, (14.0, 2.5, GROUND_M + 0.8), (4.0, 1.8, 1.6)),
            Box(1005, (16.0, -3.2, GROUND_M + 0.8), (4.2, 1.8, 1.6), (4.0, 0.0, 0.0)),
            Box(2003, (9.0, 4.0, GROUND_M + 0.9), (0.5, 0.6, 1.8), (0.0, -1.2, 0.0)),
            Box(0, (40.0, 9.0, 2.0), (60.0, 1.0, 8.0)),
            Box(0, (40.0, -9.0, 2.0), (60.0, 1.0, 8.0)),
        )
    )

    def view(
        self, K: np.ndarray, world_T_cam: np.ndarray, size_px: tuple[int, int], time_s: float
    ) -> StreetView:
        """What a camera sees; pixel centres at i + 0.5."""
        width, height = size_px
        v, u = np.mgrid[:height, :width] + 0.5
        rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1)
        rays = rays @ world_T_cam[:3, :3].T  # z of the camera is 1, so a factor is planar depth
        eye = world_T_cam[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = (GROUND_M - eye[2]) / rays[..., 2]
            z_m = np.where((ground > 0) & (ground < FAR_M), ground, np.inf)
            box_hw = np.full(z_m.shape, -1)
            for index, box in enumerate(self.boxes):
                half = np.asarray(box.size_m) / 2
                near, far = (
                    ((box.centre_at(time_s) + sign * half) - eye) / rays for sign in (-1, 1)
                )
                entry = np.minimum(near, far).max(-1)
                leave = np.maximum(near, far).min(-1)
                hit = (entry > 0.1) & (entry <= leave) & (entry < z_m) & (entry < FAR_M)
                z_m, box_hw = np.where(hit, entry, z_m), np.where(hit, index, box_hw)
        known = np.isfinite(z_m)
        z_m = np.where(known, z_m, 0.0)
        points = eye + rays * z_m[..., None]
        return StreetView(self, time_s, K, world_T_cam, z_m, box_hw, points)


@dataclass(frozen=True)
class StreetView:
    """One frame: planar depth (0 in the sky), number of the box or -1, and points in the world."""

    street: Street
    time_s: float
    K: np.ndarray
    world_T_cam: np.ndarray
    z_m_hw: np.ndarray
    box_hw: np.ndarray
    points_hw3: np.ndarray

    @property
    def ids_hw(self) -> np.ndarray:
        ids = np.array([*(box.id for box in self.street.boxes), 0])
        return ids[self.box_hw]

    @property
    def rgb_hw3(self) -> np.ndarray:
        """A pattern that is fixed to each surface, so that pictures move as depth says."""
        offsets = np.stack(
            [box.centre_at(self.time_s) for box in self.street.boxes] + [np.zeros(3)]
        )
        local = self.points_hw3 - offsets[self.box_hw]
        checks = np.floor(local / 0.7 + 0.01).sum(-1) % 2
        base = np.array([[200, 60, 60], [60, 160, 70], [220, 190, 60], [120, 110, 140],
                         [110, 130, 120], [95, 95, 100]])[self.box_hw]  # fmt: skip
        sky = self.z_m_hw == 0
        picture = base * (0.65 + 0.35 * checks[..., None])
        return np.where(sky[..., None], (150, 180, 220), picture).astype(np.uint8)

    def flow_to(self, other: StreetView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flow [H, W, 2] to another frame, where it is known, and where its point is seen there."""
        velocity = np.stack([*(np.array(b.velocity_mps) for b in self.street.boxes), np.zeros(3)])
        moved = self.points_hw3 + velocity[self.box_hw] * (other.time_s - self.time_s)
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
