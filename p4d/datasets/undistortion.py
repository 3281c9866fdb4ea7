"""Pictures and depth without the lens: a pinhole camera of the same K sees what is left.

The model is that of OpenCV (k1 k2 p1 p2 k3), with pixel centres at i + 0.5. Colour is interpolated
between four pixels; depth takes the nearest, as a mean of two depths is on no surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import camera_directions


@dataclass(frozen=True)
class Undistortion:
    """Where each pixel of the straight picture lies in the picture of the lens.

    Attributes:
        uv_hw2: position (u, v) in the distorted picture, pixel centres at i + 0.5.
    """

    uv_hw2: NDArray[np.float64]

    @classmethod
    def of(
        cls, K: NDArray[np.float64], coefficients: Sequence[float], height_px: int, width_px: int
    ) -> Undistortion:
        """The map of a camera: K at the size of the pictures, and k1 k2 p1 p2 k3."""
        k1, k2, p1, p2, k3 = coefficients
        directions = camera_directions(K, height_px, width_px)
        x, y = directions[..., 0], directions[..., 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return cls(np.stack([K[0, 0] * bent_x + K[0, 2], K[1, 1] * bent_y + K[1, 2]], axis=-1))

    def colour(self, rgb_hw3: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The straight picture; black where the lens saw nothing."""
        height, width = rgb_hw3.shape[:2]
        position = self.uv_hw2 - 0.5  # of the pixel to the upper left, and the share beyond it
        corner = np.floor(position).astype(np.int64)
        share = (position - corner).astype(np.float32)
        total = np.zeros(rgb_hw3.shape, np.float32)
        for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
            u, v = corner[..., 0] + right, corner[..., 1] + down
            inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
            weight = (share[..., 0] if right else 1 - share[..., 0]) * (
                share[..., 1] if down else 1 - share[..., 1]
            )
            values = rgb_hw3[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)]
            total += np.where(inside, weight, 0)[..., None] * values
        return np.rint(total).astype(np.uint8)

    def depth(self, z_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        """The straight depth; 0 where the lens saw nothing. Planar depth stays what it is."""
        height, width = z_hw.shape
        u, v = (np.floor(self.uv_hw2[..., axis]).astype(np.int64) for axis in (0, 1))
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        values = z_hw[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)]
        return np.where(inside, values, 0).astype(np.float32)
