"""Depth of one camera in the pixels of another: both have a lens, a place and a size of their own.

Resizing the colour picture to the depth's size is no registration: it is off by pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import camera_directions, transform


@dataclass(frozen=True)
class Registration:
    """Carries planar depth from a depth camera to a colour camera.

    Attributes:
        K_depth, K_colour: intrinsics at the size of the maps, pixel centres at i + 0.5.
        colour_T_depth: pose of the depth camera in the colour camera.
        size_px: width and height of the colour pictures.
    """

    K_depth: NDArray[np.float64]
    K_colour: NDArray[np.float64]
    colour_T_depth: NDArray[np.float64]
    size_px: tuple[int, int]

    def depth(self, z_m_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Planar depth of the colour camera, [H, W] of its size; 0 where nothing lands."""
        if np.allclose(self.colour_T_depth, np.eye(4), atol=1e-9):
            return self._same_place(z_m_hw)
        return self._splatted(z_m_hw)

    def _same_place(self, z_m_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Both cameras look from one point: the ray of a colour pixel meets one depth pixel."""
        width, height = self.size_px
        rays = camera_directions(self.K_colour, height, width)
        u = np.floor(self.K_depth[0, 0] * rays[..., 0] + self.K_depth[0, 2]).astype(np.int64)
        v = np.floor(self.K_depth[1, 1] * rays[..., 1] + self.K_depth[1, 2]).astype(np.int64)
        inside = (u >= 0) & (u < z_m_hw.shape[1]) & (v >= 0) & (v < z_m_hw.shape[0])
        values = z_m_hw[np.clip(v, 0, z_m_hw.shape[0] - 1), np.clip(u, 0, z_m_hw.shape[1] - 1)]
        return np.where(inside, values, 0).astype(np.float32)

    def _splatted(self, z_m_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each depth pixel covers the colour pixels of its own size; the nearest surface wins."""
        width, height = self.size_px
        known = z_m_hw > 0
        points = (camera_directions(self.K_depth, *z_m_hw.shape) * z_m_hw[..., None])[known]
        points = transform(self.colour_T_depth, points)
        points = points[points[:, 2] > 0]
        u = self.K_colour[0, 0] * points[:, 0] / points[:, 2] + self.K_colour[0, 2]
        v = self.K_colour[1, 1] * points[:, 1] / points[:, 2] + self.K_colour[1, 2]
        half_u = 0.5 * self.K_colour[0, 0] / self.K_depth[0, 0]
        half_v = 0.5 * self.K_colour[1, 1] / self.K_depth[1, 1]
        nearest = np.full((height, width), np.inf, np.float32)
        first_u = np.ceil(u - half_u - 0.5).astype(np.int64)
        first_v = np.ceil(v - half_v - 0.5).astype(np.int64)
        for down in range(max(1, int(np.ceil(2 * half_v)))):
            for right in range(max(1, int(np.ceil(2 * half_u)))):
                column, row = first_u + right, first_v + down
                # A small pixel covers one centre at least: the one that it is nearest to.
                covered = (column + 0.5 < u + half_u) & (row + 0.5 < v + half_v)
                covered |= (right == 0) & (down == 0) & (half_u < 0.5) & (half_v < 0.5)
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & covered
                at = row[inside], column[inside]
                np.minimum.at(nearest, at, points[inside, 2].astype(np.float32))
        return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)
