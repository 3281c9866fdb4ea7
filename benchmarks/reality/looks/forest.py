"""What the look `panda` films: models on trips through a forest, and an operator with a camera.

The scenes are not those of the other looks: ground, rocks, trees and bamboo are one model, and
everything sets off and stops gently. Of objects only the height is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.motions import CameraPath, Motion
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import quad
from p4d.ids import seed_for

MODELS = ("panda", "panda", "smiley", "frowney", "jack", "teapot", "box")
CAMERAS = ("static", "static", "static", "handheld", "pan", "truck", "crane")
SIZES_PX = ((320, 240), (384, 216), (256, 256))
EYE_M = 1.7


@dataclass(frozen=True, kw_only=True)
class Trips(Motion):
    """One or two ways, each set off and ended gently, with a rest between.

    Attributes:
        legs: of each, from when to when, and the way (east, north, up) in m.
        bulge_m: how far a way leaves its straight line.
        turn_rad: turned about the vertical along with each way.
    """

    legs: tuple[tuple[float, float, tuple[float, float, float]], ...]
    bulge_m: float
    turn_rad: float

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        place, turned_rad = np.array(self.start_m_3), self.yaw_rad
        for begin_s, end_s, way_m_3 in self.legs:
            share = float(np.clip((at_s - begin_s) / (end_s - begin_s), 0, 1))
            gone = share * share * (3 - 2 * share)
            way = np.array(way_m_3)
            aside = np.array([-way[1], way[0], 0.0]) / max(1e-6, float(np.hypot(*way[:2])))
            place = place + way * gone + aside * self.bulge_m * np.sin(np.pi * gone)
            turned_rad += self.turn_rad * gone
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("z", turned_rad).as_matrix()
        pose[:3, 3] = place
        return pose

    def gone_m(self, at_s: float) -> float:
        """Length of the way so far, for the legs."""
        shares = [np.clip((at_s - a) / (b - a), 0, 1) for a, b, _ in self.legs]
        ways = [np.linalg.norm(way) for _, _, way in self.legs]
        return float(sum(s * s * (3 - 2 * s) * w for s, w in zip(shares, ways, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Operator(CameraPath):
    """A camera at the height of the eye that rests, is held by hand, pans, trucks or rises."""

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_cam` at a time, 4x4, in OpenCV's axes."""
        eye = np.array([0.0, 0.0, self.height_m])
        ahead = np.array(self.target_m_3) - eye
        if self.kind == "truck":
            eye[0] += self.rate * at_s
        if self.kind == "crane":
            eye[2] += self.rate * at_s
        ahead = ahead / np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        turn = Rotation.identity()
        if self.kind == "pan":
            turn = Rotation.from_euler("z", self.rate * at_s)
        if self.kind == "handheld":
            swayed = [size * np.sin((1.3 + k) * at_s + phase)
                      for k, (phase, size) in enumerate(self.phases)]  # fmt: skip
            turn = Rotation.from_rotvec(swayed[:3])
            eye += np.array(swayed[3:]) * 2
        pose = np.eye(4)
        pose[:3, :3] = turn.as_matrix() @ np.stack([right, np.cross(ahead, right), ahead], axis=1)
        pose[:3, 3] = eye
        return pose


def scene_of(number: int) -> Scene:
    """Draw a scene."""
    rng = np.random.default_rng(seed_for("looks", "panda", number))
    width, height = SIZES_PX[int(rng.integers(len(SIZES_PX)))]
    fov_rad = np.deg2rad(rng.uniform(40, 70))
    focal_px = width / 2 / np.tan(fov_rad / 2)
    kind = str(rng.choice(CAMERAS))
    rate = {"pan": 0.07, "truck": 0.35, "crane": 0.2}.get(kind, 0.0) * rng.uniform(0.4, 1.0)
    forest = Thing(
        mesh=quad(np.zeros((4, 3)), 1.0), texture="environment", texture_seed=number,
        motion=Motion(
            kind="rest", start_m_3=(rng.uniform(-9, 9), rng.uniform(30, 46), 0.0),
            yaw_rad=rng.uniform(-0.6, 0.6),
        ),
    )  # fmt: skip
    return Scene(
        things=tuple(_thing(rng, fov_rad) for _ in range(int(rng.integers(1, 5)))),
        background=(forest,),
        camera=Operator(
            kind=kind, target_m_3=(0.0, 8.0, float(rng.uniform(0.6, 1.4))), distance_m=8.0,
            bearing_rad=0.0, height_m=EYE_M * float(rng.uniform(0.8, 1.3)),
            rate=float(rate * rng.choice([-1, 1])),
            phases=tuple((float(rng.uniform(0, 6)), float(rng.uniform(0.002, 0.01)))
                         for _ in range(6)),
        ),
        size_px=(width, height),
        focal_px=float(focal_px),
        light_3=(rng.uniform(-1, 1), rng.uniform(-1, 0.3), rng.uniform(0.6, 1.5)),
        ambient=float(rng.uniform(0.4, 0.8)),
        sky_rgb=tuple(rng.uniform([0.4, 0.5, 0.6], [0.8, 0.9, 1.0])),
    )  # fmt: skip


def _thing(rng: np.random.Generator, fov_rad: float) -> Thing:
    model = str(rng.choice(MODELS))
    tall = float(rng.uniform(0.8, 1.7) if model == "panda" else rng.uniform(0.4, 1.2))
    away = float(rng.uniform(4.5, 10.0))
    across = float(rng.uniform(-0.8, 0.8) * np.tan(fov_rad / 2) * away)
    rests = rng.random() < 0.2
    heading = float(rng.choice([0.0, np.pi]) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi))
    if abs(across) > 1.5 and rng.random() < 0.7:  # into the picture
        heading = np.pi if across > 0 else 0.0
    far = float(rng.uniform(0.6, 3.0))
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    if model in ("smiley", "frowney", "jack") and rng.random() < 0.4:  # they fly
        ahead[2] = rng.uniform(-0.2, 0.6)
    begin = float(rng.uniform(0.2, 2.0)) if rng.random() < 0.35 else -0.4
    middle = begin + float(rng.uniform(1.5, 3.5))
    legs = [(begin, middle, tuple((far * ahead).tolist()))]
    if rng.random() < 0.3:
        legs.append((middle + float(rng.uniform(0.3, 0.8)), middle + 2.5, legs[0][2]))
    motion = Trips(
        kind="rest" if rests else "trips",
        start_m_3=(across, away, tall / 2 + (rng.uniform(0, 0.8) if ahead[2] else 0.0)),
        yaw_rad=heading + np.pi / 2,
        legs=() if rests else tuple(legs),
        bulge_m=0.0 if rests or rng.random() < 0.6 else float(rng.uniform(-0.5, 0.5)),
        turn_rad=0.0 if rests or model == "panda" or rng.random() < 0.5
        else float(rng.uniform(-2, 2)),
    )  # fmt: skip
    return Thing(
        mesh=quad(np.zeros((4, 3)), 1.0), texture=model, texture_seed=int(rng.integers(2**31)),
        motion=motion, shape=model, size_m_3=(np.nan, np.nan, tall),
    )  # fmt: skip
