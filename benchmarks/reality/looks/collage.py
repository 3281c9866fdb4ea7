"""The look `collage`: cut-outs of photographs before a photograph, moved by waves and drifts.

Neither the scenes nor the renderer are those of the other looks: nothing here has a mesh, a light
or a ground, textures are photographs (`skimage.data`), and things lie anywhere in the picture.
Every cut-out is a plane, seen through a pinhole camera, so its truth is as exact as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.reality.looks.motions import CameraPath, Motion
from benchmarks.reality.looks.rendering import FAR_M, HoldsNothing, Picture
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import quad
from p4d.ids import seed_for

BACKDROPS = ("brick", "grass", "gravel", "coffee", "motorcycle_left", "page", "coins", "ihc")
CUT_OUTS = (
    "astronaut",
    "chelsea",
    "coffee",
    "hubble_deep_field",
    "retina",
    "ihc",
    "motorcycle_right",
)
OUTLINES = ("ellipse", "box", "blob", "triangle")
BACKDROP_M = 7.0
BACKDROP_WIDTH_M = 16.0
TEXTURE_PX = 256
FINER = 2
"""The picture is made so many times larger, and averaged."""


@dataclass(frozen=True, kw_only=True)
class Drift(Motion):
    """A cut-out that drifts, sways and turns in its plane; the world is x right, y ahead, z up.

    Attributes:
        drift_m_s_3, sway_m_3: velocity, and how far it sways to each side.
        sway_hz, phase_rad: of the swaying.
        turn_rad_s: of the turning.
    """

    drift_m_s_3: tuple[float, float, float]
    sway_m_3: tuple[float, float, float]
    sway_hz: float
    phase_rad: float
    turn_rad_s: float

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        on_s = float(np.clip(at_s, self.from_s, self.until_s) - self.from_s)
        wave = np.sin(2 * np.pi * self.sway_hz * on_s + self.phase_rad) - np.sin(self.phase_rad)
        cos, sin = np.cos(self.turn_rad_s * on_s), np.sin(self.turn_rad_s * on_s)
        pose = np.eye(4)
        pose[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
        pose[:3, 3] = (
            np.array(self.start_m_3) + np.array(self.drift_m_s_3) * on_s
            + np.array(self.sway_m_3) * wave
        )  # fmt: skip
        return pose


@dataclass(frozen=True, kw_only=True)
class Tripod(CameraPath):
    """A camera that looks ahead: it rests, shakes, pans or travels to one side."""

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_cam` at a time, 4x4, in OpenCV's axes."""
        yaw = self.rate * at_s if self.kind == "pan" else 0.0
        pose = np.eye(4)
        pose[:3, 0] = np.cos(yaw), -np.sin(yaw), 0
        pose[:3, 1] = 0, 0, -1
        pose[:3, 2] = np.sin(yaw), np.cos(yaw), 0
        if self.kind == "travel":
            pose[0, 3] = self.rate * at_s
        if self.kind == "shake":
            for axis, (phase, size_m) in enumerate(self.phases):
                pose[axis, 3] = size_m * (np.sin(2.3 * at_s + phase) + np.sin(7.1 * at_s + phase))
        return pose


def scene_of(number: int) -> Scene:
    """Draw a scene."""
    rng = np.random.default_rng(seed_for("looks", "collage", number))
    width, height = ((320, 240), (360, 202), (288, 288))[int(rng.integers(3))]
    focal_px = width / 2 / np.tan(np.deg2rad(rng.uniform(40, 65)) / 2)
    kind = str(rng.choice(["static", "static", "static", "shake", "pan", "travel"]))
    rate = {"pan": 0.08, "travel": 0.4}.get(kind, 0.0) * rng.uniform(0.4, 1.0)
    backdrop = Thing(
        mesh=_mesh(1.0, 1.0), texture=str(rng.choice(BACKDROPS)), texture_seed=number,
        motion=Motion(kind="rest", start_m_3=(0.0, BACKDROP_M, 0.0)),
    )  # fmt: skip
    things = tuple(_thing(rng, focal_px, (width, height)) for _ in range(int(rng.integers(1, 5))))
    return Scene(
        things=things,
        background=(backdrop,),
        camera=Tripod(
            kind=kind, target_m_3=(0.0, BACKDROP_M, 0.0), distance_m=BACKDROP_M,
            bearing_rad=0.0, height_m=0.0, rate=float(rate * rng.choice([-1, 1])),
            phases=tuple((float(rng.uniform(0, 6)), float(rng.uniform(0.002, 0.02)))
                         for _ in range(3)),
        ),
        size_px=(width, height),
        focal_px=focal_px,
        light_3=(0.0, 0.0, 1.0),
        ambient=float(rng.choice([0.0, 0.0, 0.015])),
        sky_rgb=(0.0, 0.0, 0.0),
    )  # fmt: skip


def _thing(rng: np.random.Generator, focal_px: float, size_px: tuple[int, int]) -> Thing:
    away_m = float(rng.uniform(3.0, 6.0))
    reach_m = np.array(size_px) / 2 / focal_px * away_m
    across, up = rng.uniform(-0.85, 0.85, 2) * reach_m
    wide, tall = (float(reach_m[0] * rng.uniform(0.15, 0.4)) for _ in range(2))
    rests = rng.random() < 0.2
    inward = np.array([-across, -up]) / max(0.1, float(np.hypot(across, up)))
    aim = inward * rng.uniform(0.2, 1.0) + rng.normal(0, 0.6, 2)
    drift_2 = aim / np.linalg.norm(aim) * reach_m[0] * rng.uniform(0.05, 0.4)
    sway_2 = rng.normal(0, 0.1, 2) * reach_m[0] * (rng.random() < 0.4)
    motion = Drift(
        kind="rest" if rests else "drift",
        start_m_3=(float(across), away_m, float(up)),
        from_s=float(rng.uniform(0.3, 2.5)) if rng.random() < 0.3 else 0.0,
        until_s=0.0 if rests else (float(rng.uniform(1.0, 3.5)) if rng.random() < 0.3 else 1e9),
        drift_m_s_3=(float(drift_2[0]), 0.0, float(drift_2[1])),
        sway_m_3=(float(sway_2[0]), 0.0, float(sway_2[1])),
        sway_hz=float(rng.uniform(0.2, 0.8)),
        phase_rad=float(rng.uniform(0, 6)),
        turn_rad_s=float(rng.choice([0.0, 0.0, 0.6, -0.6])),
    )
    if rests:
        motion = Drift(**{**vars(motion), "from_s": 0.0, "until_s": 0.0})
    return Thing(
        mesh=_mesh(wide, tall), texture=str(rng.choice(CUT_OUTS)),
        texture_seed=int(rng.integers(2**31)), motion=motion, shape=str(rng.choice(OUTLINES)),
        size_m_3=(wide, 0.01, tall),
    )  # fmt: skip


def _mesh(wide: float, tall: float):
    corners = np.array([[-wide, 0, -tall], [wide, 0, -tall], [wide, 0, tall], [-wide, 0, tall]])
    return quad(corners / 2, 1.0)


@cache
def _photo(name: str) -> np.ndarray:
    """A photograph that scikit-image ships, u8 [H, W, 3]."""
    folder = files("skimage") / "data"
    for ending in ("png", "jpg"):
        path = folder / f"{name}.{ending}"
        if path.is_file():
            with path.open("rb") as file, Image.open(file) as image:
                return np.asarray(image.convert("RGB"))
    raise FileNotFoundError(f"{folder} has no picture {name}")


def _cut_out(thing: Thing) -> np.ndarray:
    """A part of a photograph in an outline, f32 [S, S, 4] in 0 to 255."""
    rng = np.random.default_rng(thing.texture_seed)
    photo = _photo(thing.texture)
    side = int(min(photo.shape[:2]) * rng.uniform(0.3, 0.7))
    top, left = (int(rng.integers(0, room - side + 1)) for room in photo.shape[:2])
    part = cv2.resize(
        photo[top : top + side, left : left + side], (TEXTURE_PX, TEXTURE_PX),
        interpolation=cv2.INTER_AREA,
    )  # fmt: skip
    v, u = (np.indices((TEXTURE_PX, TEXTURE_PX)) + 0.5) / TEXTURE_PX * 2 - 1
    angle, radius = np.arctan2(v, u), np.hypot(u, v)
    waves = sum(0.12 * np.sin(k * angle + rng.uniform(0, 6)) for k in (2, 3))
    inside = {
        "ellipse": radius < 0.98,
        "box": np.maximum(abs(u), abs(v)) < 0.97,
        "blob": radius < 0.75 + waves,
        "triangle": (v < 0.95) & (abs(u) < (v + 1) / 2),
    }[thing.shape]
    alpha = cv2.GaussianBlur(255 * inside.astype(np.float32), (0, 0), 1.5)
    return np.dstack([part.astype(np.float32), alpha])


class Collage(HoldsNothing):
    """Renders one scene."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Cut out the things; `folder` stays empty."""
        del folder
        self._scene = scene
        photo = _photo(scene.background[0].texture).astype(np.float32)
        whole = np.full((*photo.shape[:2], 1), 255.0, np.float32)
        self._backdrop = np.dstack([photo, whole])
        self._cut_outs = [_cut_out(thing) for thing in scene.things]

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time: the farthest plane first."""
        scene = self._scene
        width, height = scene.size_px
        rgb = np.zeros((height * FINER, width * FINER, 3), np.float32)
        depth = np.full((height, width), FAR_M, np.float32)
        instance = np.zeros((height, width), np.uint8)
        far = (0, scene.background[0].motion.pose(at_s), self._backdrop,
               (BACKDROP_WIDTH_M, BACKDROP_WIDTH_M))  # fmt: skip
        near = [
            (k + 1, thing.motion.pose(at_s), self._cut_outs[k], thing.size_m_3[::2])
            for k, thing in enumerate(scene.things)
        ]
        for number, pose, texture, size_m in (far, *sorted(near, key=lambda n: -n[1][1, 3])):
            seen = self._seen(at_s, pose, texture, size_m)
            share = seen[..., 3:] / 255
            rgb = rgb * (1 - share) + seen[..., :3] * share
            covers = cv2.resize(share[..., 0], (width, height), interpolation=cv2.INTER_AREA) > 0.5
            instance[covers] = number
            depth[covers] = self._depth_m(at_s, pose)[covers]
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        small *= 1 + scene.ambient * np.sin(2 * np.pi * 0.5 * at_s)
        return Picture(np.clip(small, 0, 255).astype(np.uint8), depth, instance)

    def _seen(
        self, at_s: float, pose: np.ndarray, texture: np.ndarray, size_m: tuple[float, ...]
    ) -> np.ndarray:
        """A plane with its texture, as the camera sees it, at the finer size."""
        camera = self._scene.camera.pose(at_s)
        metres_T_px = np.array([
            [size_m[0] / texture.shape[1], 0, -size_m[0] / 2],
            [0, -size_m[1] / texture.shape[0], size_m[1] / 2],
            [0, 0, 1],
        ])  # fmt: skip
        plane = np.stack([pose[:3, 0], pose[:3, 2], pose[:3, 3] - camera[:3, 3]], axis=1)
        finer_33 = np.diag([FINER, FINER, 1.0])
        homography = finer_33 @ self._scene.K_33 @ camera[:3, :3].T @ plane @ metres_T_px
        size_px = tuple(side * FINER for side in self._scene.size_px)
        mirrored = cv2.BORDER_REFLECT if texture is self._backdrop else cv2.BORDER_CONSTANT
        return cv2.warpPerspective(
            texture, homography, size_px, flags=cv2.INTER_LINEAR, borderMode=mirrored
        )

    def _depth_m(self, at_s: float, pose: np.ndarray) -> np.ndarray:
        """Planar depth of a plane at every pixel."""
        camera = self._scene.camera.pose(at_s)
        width, height = self._scene.size_px
        v, u = np.indices((height, width)) + 0.5
        rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(self._scene.K_33).T
        rays = rays @ camera[:3, :3].T
        return (pose[:3, 3] - camera[:3, 3]) @ pose[:3, 1] / (rays @ pose[:3, 1])
