"""A hand-made room with exact numbers: a wall, two boxes before it and a camera that moves.

The wall is the plane z = 6 of the first camera, the boxes are rectangles at z = 3 and z = 4 that
face the camera; the camera moves along its x. So depth, flow and positions are known in closed
form. World z is up: the first camera looks along world +y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WALL_M, NEAR_M, FAR_M = 6.0, 3.0, 4.0
WORLD_T_FIRST = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
"""OpenCV axes: right is world x, down is world -z, ahead is world y; 1.5 m above the floor."""


@dataclass(frozen=True)
class Room:
    """`n` frames of `width` x `height` px; the camera goes `step_m` to the right per frame."""

    n: int
    width: int = 96
    height: int = 64
    step_m: float = 0.05
    hertz: float = 8.0

    @property
    def pts_ns(self):
        return np.round(np.arange(self.n) * 1e9 / self.hertz).astype(np.int64)

    @property
    def K(self):
        return np.array([[80.0, 0, self.width / 2], [0, 80.0, self.height / 2], [0, 0, 1]])

    def pose(self, frame):
        shift = np.eye(4)
        shift[0, 3] = self.step_m * frame
        return WORLD_T_FIRST @ shift

    def maps(self, frame):
        """(depth, instance) by casting every pixel's ray on the rectangles."""
        u = (np.arange(self.width) + 0.5 - self.width / 2) / 80.0
        v = (np.arange(self.height) + 0.5 - self.height / 2) / 80.0
        x, y = np.meshgrid(u, v)
        depth = np.full((self.height, self.width), WALL_M, np.float32)
        ids = np.zeros((self.height, self.width), np.uint8)
        # far first, so that the near one hides it
        for instance, z, (x0, x1, y0, y1) in (
            (2, FAR_M, (0.5, 1.5, -0.5, 0.5)),
            (1, NEAR_M, (-1.2, -0.2, -0.4, 0.6)),
        ):
            at_x = x * z + self.step_m * frame
            inside = (at_x >= x0) & (at_x < x1) & (y * z >= y0) & (y * z < y1)
            depth[inside], ids[inside] = z, instance
        return depth, ids

    def flow(self, frame):
        """Backward flow: every point was farther to the right of the earlier camera's picture."""
        depth, _ = self.maps(frame)
        flow = np.zeros((self.height, self.width, 2), np.float32)
        if frame == 0:
            return flow, np.zeros(depth.shape, bool)
        flow[..., 0] = 80.0 * self.step_m / depth
        u = np.arange(self.width) + 0.5 + flow[..., 0]
        return flow, (u >= 0) & (u < self.width)
