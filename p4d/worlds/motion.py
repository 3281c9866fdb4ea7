"""Where objects and cameras are at any instant, in closed form.

Paths and spins are functions of time, so truth at an arbitrary instant is exact and does not depend
on which instants are asked for. Ballistic flight is not here: physics makes it (renderer.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, axis_rotation, look_at, rigid

Vector = tuple[float, float, float]

PROFILES = ("constant", "accelerate", "decelerate", "window", "shuttle")
"""How a path is covered in time: evenly; from rest; to rest; within a part of the video; there
and back."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """A straight or circular way.

    Attributes:
        direction: unit vector of the start, in the world.
        length_m: from the first to the farthest point, along the path.
        turn_rad: how far the direction turns (about world z) over the path; 0 is a straight line.
        profile: one of PROFILES.
        begin_s, end_s: when the movement happens; before and after the object rests.
    """

    direction: Vector
    length_m: float
    turn_rad: float
    profile: str
    begin_s: float
    end_s: float

    def travelled(self, times_s: Floats) -> NDArray[np.float64]:
        """Position along the path in [0, 1] at each time."""
        x = np.clip((times_s - self.begin_s) / (self.end_s - self.begin_s), 0.0, 1.0)
        if self.profile == "accelerate":
            return x**2
        if self.profile == "decelerate":
            return 1 - (1 - x) ** 2
        if self.profile == "shuttle":
            return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * x))
        return x

    def offsets_m(self, times_s: Floats) -> NDArray[np.float64]:
        """Displacement from the start at each time, [T, 3]."""
        along = self.travelled(times_s)
        direction = np.asarray(self.direction)
        if abs(self.turn_rad) < 1e-6:
            return along[:, None] * self.length_m * direction
        side = np.cross([0.0, 0.0, 1.0], direction)
        radius_m = self.length_m / self.turn_rad
        angle = along * self.turn_rad
        return radius_m * (np.sin(angle)[:, None] * direction + (1 - np.cos(angle))[:, None] * side)


@dataclass(frozen=True, kw_only=True)
class Spin:
    """Rotation at a constant rate about a fixed world axis through the object's centre."""

    axis: Vector
    rate_rad_s: float
    begin_s: float
    end_s: float

    def rotations(self, times_s: Floats) -> NDArray[np.float64]:
        """Rotation since the start at each time, [T, 3, 3]."""
        angle = self.rate_rad_s * (np.clip(times_s, self.begin_s, self.end_s) - self.begin_s)
        return axis_rotation(np.asarray(self.axis), angle)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A throw: the object rests until `begin_s`, then physics takes over."""

    begin_s: float
    velocity_m_s: Vector
    spin_rad_s: Vector


@dataclass(frozen=True, kw_only=True)
class CameraPath:
    """A camera that looks at a slowly moving target while it swings around and rides in or out.

    Attributes:
        kind: static, orbit, dolly, pan or sway; a name for the mix below.
        target_m, target_shift_m: what it looks at, and how far that drifts over the video.
        distance_m, ride_m: horizontal distance to the target, and its change over the video.
        azimuth_rad, swing_rad: side it looks from, and its change over the video.
        height_m, bob_m: height above the floor, and the amplitude of its up and down.
        bob_hz: how often it goes up and down.
    """

    kind: str
    target_m: Vector
    target_shift_m: Vector
    distance_m: float
    ride_m: float
    azimuth_rad: float
    swing_rad: float
    height_m: float
    bob_m: float
    bob_hz: float
    duration_s: float

    def world_T_cam(self, times_s: Floats) -> NDArray[np.float64]:
        """Poses at each time, [T, 4, 4]."""
        x = times_s / self.duration_s
        target = np.asarray(self.target_m) + x[:, None] * np.asarray(self.target_shift_m)
        azimuth = self.azimuth_rad + self.swing_rad * x
        distance = self.distance_m + self.ride_m * x
        height = self.height_m + self.bob_m * np.sin(2 * np.pi * self.bob_hz * times_s)
        eye = np.stack([np.cos(azimuth) * distance, np.sin(azimuth) * distance, height], axis=-1)
        eye[:, :2] += np.asarray(self.target_m)[:2]
        return look_at(eye, target)


def kinematic_poses(
    position_m: Vector,
    start_rotation: NDArray[np.float64],
    path: Path | None,
    spin: Spin | None,
    times_s: Floats,
) -> NDArray[np.float64]:
    """`world_T_obj` at each time of an object that follows a path and a spin, [T, 4, 4]."""
    offsets = path.offsets_m(times_s) if path else np.zeros((len(times_s), 3))
    turned = spin.rotations(times_s) if spin else np.broadcast_to(np.eye(3), (len(times_s), 3, 3))
    return rigid(turned @ start_rotation, np.asarray(position_m) + offsets)
