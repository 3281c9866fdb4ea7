"""The cameras of TUM's third series and of Bonn, as their pages state them, for renders.

Bonn's page and PRBonn/refusion, issue 14: the pose of the colour camera is
inv(T_ROS) T_ground_truth T_ROS T_m, so the tracked body of a camera is the inverse of that. T_m is
a calibration whose 3x3 is no rotation; the nearest one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_T_ROS = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_T_M = np.array(
    [
        [1.0157, 0.1828, -0.2389, 0.0113],
        [0.0009, -0.8431, -0.6413, -0.0098],
        [-0.3009, 0.6147, -0.8085, 0.0111],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


@dataclass(frozen=True)
class Lens:
    """A camera of 640x480 px with OpenCV's lens: k1 k2 p1 p2, and what its list of poses holds."""

    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    bent: tuple[float, float, float, float]
    by_body: bool
    moving: bool

    @property
    def K(self) -> np.ndarray:
        """Pixel centres at i + 0.5; the published ones are at i."""
        (fx, fy), (cx, cy) = self.focal_px, self.centre_px
        return np.array([[fx, 0, cx + 0.5], [0, fy, cy + 0.5], [0, 0, 1]])

    def rays(self) -> np.ndarray:
        """Rays [480, 640, 3] of the pixels of the bent picture: the lens model, solved for them."""
        (fx, fy), (cx, cy) = self.focal_px, self.centre_px
        k1, k2, p1, p2 = self.bent
        u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
        bent_x, bent_y = (u - cx) / fx, (v - cy) / fy
        x, y = bent_x, bent_y
        for _ in range(30):
            r2 = x**2 + y**2
            radial = 1 + k1 * r2 + k2 * r2**2
            x, y = (
                (bent_x - 2 * p1 * x * y - p2 * (r2 + 2 * x**2)) / radial,
                (bent_y - p1 * (r2 + 2 * y**2) - 2 * p2 * x * y) / radial,
            )
        return np.stack([x, y, np.ones_like(x)], -1)

    def tracked(self, world_T_cam: np.ndarray) -> np.ndarray:
        """The pose that the list holds while the colour camera is at `world_T_cam`."""
        if not self.by_body:
            return world_T_cam
        left, _, right = np.linalg.svd(_T_M[:3, :3])
        T_m = _T_M.copy()
        T_m[:3, :3] = left @ right
        return _T_ROS @ world_T_cam @ np.linalg.inv(T_m) @ np.linalg.inv(_T_ROS)


FREIBURG3 = Lens((535.4, 539.2), (320.1, 247.6), (0, 0, 0, 0), by_body=False, moving=False)
BONN = Lens(
    (542.822841, 542.576870), (315.593520, 237.756098), (0.039903, -0.099343, -0.000730, -0.000144),
    by_body=True, moving=True,
)  # fmt: skip
