"""What the look `atelier` films: toys that glide, circle, swing, rise and tumble, among columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.motions import CameraPath, Motion
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import quad
from p4d.ids import seed_for

SHAPES = ("egg", "pillow", "drum", "cone", "torus", "ball", "brick", "rocket", "dumbbell")
MATERIALS = (
    "stone", "stone", "wood", "metal", "agate", "granite", "leopard", "bozo", "checker", "onion",
    "lacquer", "lacquer",
)  # fmt: skip
FLOORS = ("wood", "stone", "checker", "hexagon", "crackle", "lacquer", "lacquer", "marble")
WALLS = ("none", "none", "brick", "lacquer", "bozo")
SKIES = ("clouds", "clouds", "gradient")
COURSES = ("glide", "glide", "glide", "circle", "pendulum", "lift", "turntable", "tumble", "rest",
           "rest")  # fmt: skip
CAMERAS = ("tripod", "tripod", "tripod", "tripod", "hand", "pan", "tilt", "track")
SIZES_PX = ((240, 180), (256, 144), (208, 208))


@dataclass(frozen=True, kw_only=True)
class Course(Motion):
    """The way of one toy, between two times; before and after it rests.

    Attributes:
        way_m_3: from start to end of a glide or tumble; of a circle its centre, seen from the
            start; of a pendulum the direction of its swing; of a lift how far it rises.
        bend_m: how far a glide leaves its straight line, to its left.
        turns_rad: about `axis_3` over the whole way; of a circle, the arc.
        swings: of a pendulum or lift, over the whole way.
    """

    way_m_3: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bend_m: float = 0.0
    turns_rad: float = 0.0
    axis_3: tuple[float, float, float] = (0.0, 0.0, 1.0)
    swings: float = 1.0

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        share = float(np.clip((at_s - self.from_s) / (self.until_s - self.from_s), 0, 1))
        gone = (1 - np.cos(np.pi * share)) / 2
        way = np.array(self.way_m_3)
        turned = Rotation.from_rotvec(np.array(self.axis_3) * self.turns_rad * gone)
        moved = np.zeros(3)
        if self.kind in ("glide", "tumble"):
            aside = np.array([-way[1], way[0], 0.0])
            aside /= max(1e-9, float(np.linalg.norm(aside)))
            moved = way * gone + aside * self.bend_m * np.sin(np.pi * gone)
        elif self.kind == "circle":
            turned = Rotation.from_rotvec([0, 0, self.turns_rad * gone])
            moved = way - turned.apply(way)
        elif self.kind == "pendulum":
            angle = self.turns_rad * np.sin(2 * np.pi * self.swings * gone)
            rope_m = self.radius_m
            moved = way * rope_m * np.sin(angle)
            moved[2] = rope_m * (1 - np.cos(angle))
            turned = Rotation.from_rotvec(angle * np.cross(way, [0.0, 0.0, 1.0]))
        elif self.kind == "lift":
            moved = way * np.sin(np.pi * self.swings * gone) ** 2
        pose = np.eye(4)
        pose[:3, :3] = (turned * Rotation.from_euler("z", self.yaw_rad)).as_matrix()
        pose[:3, 3] = np.array(self.start_m_3) + moved
        return pose


@dataclass(frozen=True, kw_only=True)
class Stand(CameraPath):
    """A camera on a tripod, in a hand, on a head that pans or tilts, or on a track."""

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_cam` at a time, 4x4, in OpenCV's axes."""
        eye = np.array([
            self.distance_m * np.cos(self.bearing_rad),
            self.distance_m * np.sin(self.bearing_rad),
            self.height_m,
        ])  # fmt: skip
        ahead = np.array(self.target_m_3) - eye
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(ahead, right), ahead], axis=1)
        turn = Rotation.identity()
        if self.kind == "pan":
            turn = Rotation.from_rotvec([0, 0, self.rate * at_s])
        elif self.kind == "tilt":
            turn = Rotation.from_rotvec(right * self.rate * at_s / 2)
        elif self.kind == "track":
            eye = eye + right * self.rate * 3 * at_s
        elif self.kind == "hand":
            sway = [size * (np.sin((0.9 + 0.7 * k) * at_s + phase) - np.sin(phase))
                    for k, (phase, size) in enumerate(self.phases)]  # fmt: skip
            turn, eye = Rotation.from_rotvec(sway[:3]), eye + np.array(sway[3:])
        pose = np.eye(4)
        pose[:3, :3] = turn.as_matrix() @ axes
        pose[:3, 3] = eye
        return pose


@dataclass(frozen=True, kw_only=True)
class Atelier(Scene):
    """A scene with what only POV-Ray draws.

    Attributes:
        floor, wall, sky: one of FLOORS, WALLS, SKIES.
        seed: of their textures and colours.
        wall_m: how far the wall stands behind the middle, seen from the camera.
        columns_m_k4: static columns: place (x, y), radius, height.
    """

    floor: str
    wall: str
    sky: str
    seed: int
    wall_m: float
    columns_m_k4: tuple[tuple[float, float, float, float], ...]


def scene_of(number: int) -> Atelier:
    """Draw a scene."""
    rng = np.random.default_rng(seed_for("looks", "atelier", number))
    width, height = SIZES_PX[int(rng.integers(len(SIZES_PX)))]
    focal_px = width / 2 / np.tan(np.deg2rad(rng.uniform(35, 70)) / 2)
    distance_m, bearing = float(rng.uniform(3.0, 7.0)), float(rng.uniform(0, 2 * np.pi))
    reach_m = 0.7 * distance_m * width / 2 / focal_px
    things = tuple(_toy(rng, reach_m) for _ in range(int(rng.integers(1, 7))))
    columns = []
    for _ in range(int(rng.integers(0, 6))):
        away = bearing + np.pi + rng.uniform(-0.9, 0.9)  # behind the middle
        place = reach_m * rng.uniform(0.8, 2.5) * np.array([np.cos(away), np.sin(away)])
        radius_m, tall_m = float(rng.uniform(0.06, 0.3)), float(rng.uniform(0.3, 2.0))
        columns.append((float(place[0]), float(place[1]), radius_m, tall_m))
    kind = str(rng.choice(CAMERAS))
    sun = np.array([rng.normal(), rng.normal(), rng.uniform(0.7, 2.0)])
    return Atelier(
        things=things,
        background=(),
        camera=Stand(
            kind=kind, target_m_3=(0.0, 0.0, float(rng.uniform(0.1, 0.5))), distance_m=distance_m,
            bearing_rad=bearing, height_m=float(distance_m * rng.uniform(0.15, 0.8)),
            rate=float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.12)),
            phases=tuple((float(rng.uniform(0, 6)), float(rng.uniform(0.001, 0.01)))
                         for _ in range(6)),
        ),
        size_px=(width, height),
        focal_px=float(focal_px),
        light_3=tuple((sun / np.linalg.norm(sun)).tolist()),
        ambient=float(rng.uniform(0.15, 0.5)),
        sky_rgb=tuple(rng.uniform(0.2, 0.9, 3).tolist()),
        floor=str(rng.choice(FLOORS)), wall=str(rng.choice(WALLS)), sky=str(rng.choice(SKIES)),
        seed=int(rng.integers(2**31)), wall_m=float(reach_m * rng.uniform(1.8, 3.5)),
        columns_m_k4=tuple(columns),
    )  # fmt: skip


def _toy(rng: np.random.Generator, reach_m: float) -> Thing:
    shape, kind = str(rng.choice(SHAPES)), str(rng.choice(COURSES))
    size = reach_m * rng.uniform(0.08, 0.4) * np.ones(3)
    if shape in ("egg", "pillow", "brick"):
        size *= rng.uniform(0.6, 1.4, 3)
    elif shape != "ball":
        size[2] *= {"torus": 0.3, "dumbbell": 2.5, "rocket": 2.2}.get(shape, rng.uniform(0.7, 1.6))
    place = rng.uniform(-0.8, 0.8, 2) * reach_m
    late, early = rng.random(2) < (0.25, 0.35)
    from_s = float(rng.uniform(0.3, 1.5)) if late else float(rng.uniform(-1.5, 0.0))
    until_s = float(rng.uniform(2.0, 3.6)) if early else float(rng.uniform(4.2, 6.0))
    heading = float(np.arctan2(-place[1], -place[0]) + rng.normal(0, 0.8))
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    way, axis, turns = np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.0
    if kind in ("glide", "tumble"):
        way = ahead * reach_m * rng.uniform(0.3, 1.4)
        turns = float(rng.choice([0.0, 0.0, 1.0]) * rng.uniform(-2, 2))
    if kind == "tumble":
        axis, turns = np.array([-ahead[1], ahead[0], 0.0]), float(rng.uniform(1.5, 6.0))
    elif kind == "circle":
        way = ahead * reach_m * rng.uniform(0.2, 0.6)
        turns = float(rng.choice([-1, 1]) * rng.uniform(1.5, 5.0))
    elif kind == "turntable":
        turns = float(rng.choice([-1, 1]) * rng.uniform(1.0, 6.0))
    elif kind == "pendulum":
        way, turns = ahead, float(rng.uniform(0.2, 0.7))
    elif kind == "lift":
        way = np.array([0.0, 0.0, reach_m * rng.uniform(0.2, 0.6)])
    bend_m = float(reach_m * rng.choice([0, 0, 1]) * rng.normal() / 4)
    hang_m = {"pendulum": reach_m * 0.3, "tumble": 0.35 * float(size.max())}.get(kind, 0.0)
    motion = Course(
        kind=kind, start_m_3=(float(place[0]), float(place[1]), float(size[2] / 2 + hang_m)),
        from_s=from_s, until_s=until_s, yaw_rad=float(rng.uniform(0, 2 * np.pi)),
        radius_m=float(reach_m * rng.uniform(0.5, 1.0)),
        way_m_3=(float(way[0]), float(way[1]), float(way[2])), bend_m=bend_m,
        turns_rad=turns, axis_3=tuple(axis.tolist()), swings=float(rng.choice([0.5, 1.0, 2.0])),
    )  # fmt: skip
    return Thing(
        mesh=quad(np.zeros((4, 3)), 1.0), texture=str(rng.choice(MATERIALS)),
        texture_seed=int(rng.integers(2**31)), motion=motion, shape=shape,
        size_m_3=(float(size[0]), float(size[1]), float(size[2])),
    )  # fmt: skip
