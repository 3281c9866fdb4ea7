"""A hand-made room with exact numbers: a wall, plates before it and a camera that moves.

The wall is a plane of the first camera, the plates are rectangles that face it; the camera moves
along its x, and so may plates. So depth, flow and positions are known in closed form. World z is
up: the first camera looks along world +y. Pictures show a pattern that is fixed to each surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WALL_M, NEAR_M, FAR_M = 6.0, 3.0, 4.0
WORLD_T_FIRST = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
"""OpenCV axes: right is world x, down is world -z, ahead is world y; 1.5 m above the floor."""


@dataclass(frozen=True)
class Plate:
    """A rectangle at depth `z`, centred at (x, y) of the first camera; `step` m to the right."""

    instance: int
    z: float
    x: float
    y: float
    width: float = 1.0
    height: float = 1.0
    step: float = 0.0

    def centre(self, frame):
        """In the first camera."""
        return np.array([self.x + self.step * frame, self.y, self.z])


PLATES = (Plate(2, FAR_M, 1.0, 0.0), Plate(1, NEAR_M, -0.7, 0.1))


@dataclass(frozen=True)
class Room:
    """`n` frames of `width` x `height` px; the camera goes `step_m` to the right per frame."""

    n: int
    width: int = 96
    height: int = 64
    step_m: float = 0.05
    hertz: float = 8.0
    focal: float = 80.0
    plates: tuple[Plate, ...] = PLATES
    seed: int = 0

    @property
    def pts_ns(self):
        return np.round(np.arange(self.n) * 1e9 / self.hertz).astype(np.int64)

    @property
    def K(self):
        focal, width, height = self.focal, self.width, self.height
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    def pose(self, frame):
        shift = np.eye(4)
        shift[0, 3] = self.step_m * frame
        return WORLD_T_FIRST @ shift

    def centre(self, plate, frame):
        """Of a plate, in the world."""
        return (WORLD_T_FIRST @ [*plate.centre(frame), 1.0])[:3]

    def _cast(self, frame):
        """Per pixel: depth, instance, and the place on the surface that is seen."""
        u = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        v = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        x, y = np.meshgrid(u, v)
        shift = self.step_m * frame
        depth = np.full((self.height, self.width), WALL_M, np.float32)
        ids = np.zeros((self.height, self.width), np.uint8)
        place = np.stack([x * WALL_M + shift, y * WALL_M], -1)
        for plate in sorted(self.plates, key=lambda plate: -plate.z):
            centre = plate.centre(frame)
            on = np.stack([x * plate.z + shift - centre[0], y * plate.z - centre[1]], -1)
            inside = (np.abs(on) <= (plate.width / 2, plate.height / 2)).all(-1)
            depth[inside], ids[inside], place[inside] = plate.z, plate.instance, on[inside]
        return depth, ids, place

    def maps(self, frame):
        """(depth, instance) by casting every pixel's ray on the surfaces."""
        return self._cast(frame)[:2]

    def flow(self, frame):
        """Backward flow, and where the point was inside the earlier picture."""
        depth, ids, _ = self._cast(frame)
        flow = np.zeros((self.height, self.width, 2), np.float32)
        if frame == 0:
            return flow, np.zeros(depth.shape, bool)
        step = np.zeros(256)
        for plate in self.plates:
            step[plate.instance] = plate.step
        flow[..., 0] = self.focal * (self.step_m - step[ids]) / depth
        u = np.arange(self.width) + 0.5 + flow[..., 0]
        return flow, (u >= 0) & (u < self.width)

    def picture(self, frame):
        """u8 [H, W, 3]: waves fixed to each surface, another pattern and colour on each."""
        _, ids, place = self._cast(frame)
        rng = np.random.default_rng(self.seed)
        tint = rng.uniform(60, 120, (256, 3))
        phase = rng.uniform(0, 6, (256, 3))
        per_m = rng.uniform(4, 9, (256, 3))
        waves = np.sin(per_m[ids] * place[..., :1] + phase[ids]) * np.cos(
            per_m[ids] * 0.9 * place[..., 1:] + phase[ids][..., ::-1]
        )
        return np.clip(tint[ids] + 30 + 70 * waves, 0, 255).astype(np.uint8)
