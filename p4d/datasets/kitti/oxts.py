"""KITTI's inertial and GPS measurements (OXTS): 30 numbers to a frame, and the poses they give.

Positions are projected by Mercator's formula, scaled by the cosine of the first latitude, and
counted from the first frame: x east, y north, z up. Roll, pitch and yaw turn about the axes of the
unit, x forward, y left, z up (the development kit's `convertOxtsToPose`, also in pykitti).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

COLUMNS = 30
"""Values of a packet: lat lon alt roll pitch yaw, then speeds, accelerations, rates and states."""
EARTH_RADIUS_M = 6378137.0


def world_T_imu(
    packets: Iterable[NDArray[np.float64] | list[float] | None],
) -> list[NDArray[np.float64] | None]:
    """Poses of the unit, [4, 4] each; None for a frame without a packet.

    The world is east, north, up in metres. Its origin is the first packet that there is.
    """
    poses: list[NDArray[np.float64] | None] = []
    scale: float | None = None
    origin = np.zeros(3)
    for packet in packets:
        if packet is None:
            poses.append(None)
            continue
        lat_deg, lon_deg, alt_m, roll_rad, pitch_rad, yaw_rad = (float(v) for v in packet[:6])
        if scale is None:
            scale = math.cos(math.radians(lat_deg))
            origin = _mercator_m(lat_deg, lon_deg, alt_m, scale)
        pose = np.eye(4)
        pose[:3, :3] = _rotation(roll_rad, pitch_rad, yaw_rad)
        pose[:3, 3] = _mercator_m(lat_deg, lon_deg, alt_m, scale) - origin
        poses.append(pose)
    return poses


def _mercator_m(lat_deg: float, lon_deg: float, alt_m: float, scale: float) -> NDArray[np.float64]:
    east_m = scale * math.radians(lon_deg) * EARTH_RADIUS_M
    north_m = scale * EARTH_RADIUS_M * math.log(math.tan(math.pi * (90.0 + lat_deg) / 360.0))
    return np.array([east_m, north_m, alt_m])


def _rotation(roll_rad: float, pitch_rad: float, yaw_rad: float) -> NDArray[np.float64]:
    (cr, sr), (cp, sp), (cy, sy) = (
        (math.cos(angle), math.sin(angle)) for angle in (roll_rad, pitch_rad, yaw_rad)
    )
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)
