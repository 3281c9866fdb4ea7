"""A room of boxes, and a hand-held camera in it: what the indoor and rendered datasets show.

The pattern is smooth, so that a picture predicted from its neighbour is close to it where the truth
is right, and is not where it is wrong.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from tests.datasets.layouts.boxes import Box, BoxScene

FAR_M = 30.0
CRATE, CHEST, CART = 1, 2, 3
"""Ids; the cart alone may move. Walls and floor are background."""
_COLOURS = np.array([[215, 80, 70], [70, 150, 210], [225, 195, 70], [170, 160, 140],
                     [150, 170, 150], [150, 150, 180], [130, 120, 110]])  # fmt: skip
_SKY = (120, 150, 190)
_WAVES = np.array([[9.0, 4.0, -5.0], [-6.0, 11.0, 3.0], [4.0, -5.0, 14.0], [2.5, 3.0, 4.0]])
"""Radians a metre: wavelengths from 0.4 to 1.3 m."""


def room(*, moving: bool, walls_m: float = 2.8) -> BoxScene:
    """Three things between three walls; if `moving`, the cart rolls and turns."""
    roll = {"velocity_mps": (-0.1, 0.3, 0.0), "spin_rad_s": (0.0, 0.0, 0.5)} if moving else {}
    return BoxScene(
        boxes=(
            Box(CRATE, (0.1, -0.9, 0.35), (0.6, 0.5, 0.7), turned_rad=(0.0, 0.0, 0.4)),
            Box(CHEST, (1.2, 1.0, 0.5), (0.8, 0.6, 1.0), turned_rad=(0.0, 0.0, -0.3)),
            Box(CART, (0.6, -0.1, 0.3), (0.5, 0.35, 0.6), turned_rad=(0.0, 0.0, 0.9), **roll),
            Box(0, (3.0, 0.0, walls_m / 2), (0.1, 6.0, walls_m)),
            Box(0, (0.0, 2.6, walls_m / 2), (6.0, 0.1, walls_m)),
            Box(0, (0.0, -2.6, walls_m / 2), (6.0, 0.1, walls_m)),
        ),
        ground_m=0.0,
        far_m=FAR_M,
        paint=_paint,
    )


def camera_at(time_s: float) -> np.ndarray:
    """`world_T_cam` of somebody who walks sideways and looks at the things; z up, metres."""
    eye = np.array([-2.3 + 0.2 * time_s, -0.7 + 0.4 * time_s, 1.35 + 0.06 * np.sin(2 * time_s)])
    target = np.array([1.0, 0.1 + 0.15 * time_s, 0.7])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
    pose[:3, :3] = (
        pose[:3, :3] @ Rotation.from_rotvec([0, 0, 0.04 * np.sin(3 * time_s)]).as_matrix()
    )
    pose[:3, 3] = eye
    return pose


def _paint(local_hw3: np.ndarray, box_hw: np.ndarray) -> np.ndarray:
    waves = np.sin(local_hw3 @ _WAVES.T + np.arange(len(_WAVES))).mean(-1, keepdims=True)
    picture = _COLOURS[np.maximum(box_hw, -1)] * (0.6 + 0.5 * waves)
    return np.where((box_hw == -2)[..., None], _SKY, picture.clip(0, 255)).astype(np.uint8)
