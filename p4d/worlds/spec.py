"""What a simulated world consists of: its objects, camera, room and appearance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats
from p4d.worlds.motion import CameraPath, Launch, MotionPath, Spin, Vector, kinematic_poses

COLOURS: dict[str, Vector] = {
    "red": (0.80, 0.10, 0.09),
    "green": (0.12, 0.58, 0.16),
    "blue": (0.10, 0.22, 0.80),
    "yellow": (0.92, 0.80, 0.08),
    "orange": (0.94, 0.42, 0.04),
    "purple": (0.48, 0.14, 0.66),
    "cyan": (0.08, 0.74, 0.80),
    "pink": (0.95, 0.42, 0.66),
}
"""Base colours, far enough apart to be distinguished under the lamp of a world."""

SHAPES = ("box", "ball", "cylinder", "capsule", "egg")

HELDOUT_COLOURS: dict[str, Vector] = {
    "white": (0.90, 0.90, 0.88),
    "black": (0.07, 0.07, 0.08),
    "brown": (0.42, 0.24, 0.10),
    "teal": (0.02, 0.42, 0.40),
    "lime": (0.68, 0.90, 0.10),
    "navy": (0.05, 0.08, 0.36),
    "maroon": (0.45, 0.04, 0.14),
    "gold": (0.78, 0.60, 0.20),
}
HELDOUT_SHAPES = ("cone", "pyramid", "prism", "wedge", "gem")
"""Colours and shapes that no training world has; the shapes are convex meshes (meshes.py)."""

PALETTES: dict[str, tuple[dict[str, Vector], tuple[str, ...]]] = {
    "default": (COLOURS, SHAPES),
    "heldout": (HELDOUT_COLOURS, HELDOUT_SHAPES),
}
"""Colours and shapes by appearance. `heldout` is for test sets and is never trained on."""

MOTIONS = ("static", "translating", "rotating", "translating_rotating", "ballistic")
CAMERAS = ("static", "orbit", "dolly", "pan", "sway")


FOV_Y_RAD = float(np.deg2rad(52.0))
GRAVITY_M_S2 = 9.81


@dataclass(frozen=True, kw_only=True)
class ObjectSpec:
    """One object. `size_m` are full extents along its own axes; `instance` counts from 1."""

    instance: int
    shape: str
    colour: str
    size_m: Vector
    motion: str
    position_m: Vector
    rotation: tuple[Vector, Vector, Vector]
    path: MotionPath | None
    spin: Spin | None
    launch: Launch | None

    @property
    def name(self) -> str:
        """For example "red box"; unique, because colours do not repeat in a world."""
        return f"{self.colour} {self.shape}"

    def rest_poses(self, times_s: Floats) -> NDArray[np.float64]:
        """`world_T_obj` [T, 4, 4] from path and spin alone; a thrown object stays at its start."""
        return kinematic_poses(
            self.position_m, np.asarray(self.rotation), self.path, self.spin, times_s
        )


@dataclass(frozen=True, kw_only=True)
class WorldSpec:
    """A whole world; equal seeds, durations and appearances give equal specs."""

    seed: int
    duration_s: float
    camera: CameraPath
    objects: tuple[ObjectSpec, ...]
    room_half_m: float
    lamp_m: Vector
    floor_rgb: tuple[Vector, Vector]
    wall_rgb: tuple[Vector, Vector]
    appearance: str = "default"

    @property
    def moving(self) -> int:
        """Number of objects that move."""
        return sum(obj.motion != "static" for obj in self.objects)
