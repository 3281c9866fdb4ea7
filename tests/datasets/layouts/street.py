"""A street of boxes, seen by a camera on a car.

The world is east, north, up; its origin is the inertial unit's first position, 0.93 m above the
ground.
"""

from __future__ import annotations

import numpy as np

from tests.datasets.layouts.boxes import Box, BoxScene

GROUND_M = -0.93
FAR_M = 80.0
_COLOURS = np.array([[200, 60, 60], [60, 160, 70], [220, 190, 60], [120, 110, 140],
                     [110, 130, 120], [95, 95, 100]])  # fmt: skip
_SKY = (150, 180, 220)


def _paint(local_hw3: np.ndarray, box_hw: np.ndarray) -> np.ndarray:
    """Checks of 0.7 m."""
    checks = np.floor(local_hw3 / 0.7 + 0.01).sum(-1) % 2
    picture = _COLOURS[np.maximum(box_hw, -1)] * (0.65 + 0.35 * checks[..., None])
    return np.where((box_hw == -2)[..., None], _SKY, picture).astype(np.uint8)


STREET = BoxScene(
    boxes=(
        Box(1001, (14.0, 2.5, GROUND_M + 0.8), (4.0, 1.8, 1.6)),
        Box(1005, (16.0, -3.2, GROUND_M + 0.8), (4.2, 1.8, 1.6), (4.0, 0.0, 0.0)),
        Box(2003, (9.0, 4.0, GROUND_M + 0.9), (0.5, 0.6, 1.8), (0.0, -1.2, 0.0)),
        Box(0, (40.0, 9.0, 2.0), (60.0, 1.0, 8.0)),
        Box(0, (40.0, -9.0, 2.0), (60.0, 1.0, 8.0)),
    ),
    ground_m=GROUND_M,
    far_m=FAR_M,
    paint=_paint,
)
"""Ids of MOTS: cars 1001 and 1005, a pedestrian 2003; walls are background."""
