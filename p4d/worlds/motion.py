"""Poses of objects and cameras at any instant, in closed form.

Paths and spins are functions of time, so truth at an arbitrary instant is exact and does not depend
on which other instants are computed. Ballistic flight is simulated instead (renderer.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, axis_rotation, look_at, rigid

Vector = tuple[float, float, float]

PROFILES = ("constant", "accelerate", "decelerate", "window", "shuttle")
"""Position along a path over time: constant speed, from rest, to rest, within a part of the video,
there and back."""


@dataclass(frozen=True, kw_only=True)
class MotionPath:
    """A straight or circular path.

    Attributes:
        direction: unit vector at the start, in the world.
        length_m: from the first to the farthest point, along the path.
        turn_rad: turn of the direction about world z over the path; 0 is a straight line.
        profile: one of PROFILES.
        begin_s, end_s: interval of the motion; the object rests before and after.
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
    """A throw: the object rests until `begin_s` and is simulated from then on."""

    begin_s: float
    velocity_m_s: Vector
    spin_rad_s: Vector


@dataclass(frozen=True, kw_only=True)
class CameraPath:
    """A camera that points at a slowly moving target while it orbits and changes its distance.

    Attributes:
        kind: static, orbit, dolly, pan or sway; names the combination of the values below.
        target_m, target_shift_m: the target, and its displacement over the video.
        distance_m, ride_m: horizontal distance to the target, and its change over the video.
        azimuth_rad, swing_rad: azimuth of the camera, and its change over the video.
        height_m, bob_m: height above the floor, and the amplitude of its oscillation.
        bob_hz: frequency of that oscillation.
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
    path: MotionPath | None,
    spin: Spin | None,
    times_s: Floats,
) -> NDArray[np.float64]:
    """`world_T_obj` at each time of an object that follows a path and a spin, [T, 4, 4]."""
    offsets = path.offsets_m(times_s) if path else np.zeros((len(times_s), 3))
    turned = spin.rotations(times_s) if spin else np.broadcast_to(np.eye(3), (len(times_s), 3, 3))
    return rigid(turned @ start_rotation, np.asarray(position_m) + offsets)
