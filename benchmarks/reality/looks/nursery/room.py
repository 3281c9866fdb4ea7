"""What the look `nursery` films: cars, ducks, balls and tops in a room with furniture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.atelier.stage import Stand
from benchmarks.reality.looks.motions import Motion
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import quad
from p4d.ids import seed_for

FLOORS = ("planks", "planks", "carpet", "carpet", "tiles", "speckle", "plain")
WALLPAPERS = ("stripes", "dots", "plaster", "plaster", "planks", "plain")
SKINS = ("plain", "plain", "plain", "dots", "stripes", "speckle", "patches")
KINDS = ("car", "car", "duck", "ball", "ball", "blocks", "top", "robot")
COURSES = ("drive", "drive", "drive", "there and back", "bounce", "stop and go", "rock", "spin",
           "rest", "rest")  # fmt: skip
CAMERAS = ("tripod", "tripod", "tripod", "tripod", "tripod", "hand", "hand", "pan", "tilt", "track")
SIZES_PX = ((320, 240), (384, 216), (256, 256))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A solid of a toy or a piece of furniture, in the coordinates of the whole.

    Attributes:
        solid: box, sphere, cylinder or cone; the last two stand upright.
        size_m_3, at_m_3: extents and centre.
        skin: one of SKINS, or of the surfaces of rooms.
        rgb, other_rgb: its colours, 0 to 1.
        rough, metal: of its surface, 0 to 1.
        repeat: how often its texture is laid across it.
    """

    solid: str
    size_m_3: tuple[float, float, float]
    at_m_3: tuple[float, float, float]
    skin: str
    rgb: tuple[float, float, float]
    other_rgb: tuple[float, float, float]
    rough: float = 0.7
    metal: float = 0.0
    repeat: float = 1.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Toy(Thing):
    """A thing of several parts."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Way(Motion):
    """The way of a toy over the floor, a Bezier curve whose tangent it follows.

    Attributes:
        bends_m_k3: its control points after the start.
        turns_rad: of a top, over the whole time; of what rocks, the amplitude.
        hops: of what bounces.
        hop_m: height of the first one.
    """

    bends_m_k3: tuple[tuple[float, float, float], ...] = ()
    turns_rad: float = 0.0
    hops: int = 0
    hop_m: float = 0.0

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        share = float(np.clip((at_s - self.from_s) / (self.until_s - self.from_s), 0, 1))
        along = share
        if self.kind == "stop and go":
            along = float(np.interp(share, [0, 0.35, 0.6, 1], [0, 0.5, 0.5, 1]))
        elif self.kind == "there and back":
            along = (1 - np.cos(2 * np.pi * share)) / 2
        elif self.kind != "bounce":
            along = share * share * (3 - 2 * share)
        heading, lean, up_m = self.yaw_rad, 0.0, 0.0
        place = np.array(self.start_m_3)
        if self.bends_m_k3:
            curve = np.array([self.start_m_3, *self.bends_m_k3])
            place, ahead = _bezier(curve, along)
            if self.kind in ("drive", "stop and go", "there and back"):
                heading = float(np.arctan2(ahead[1], ahead[0]))
        if self.kind == "spin":
            heading += self.turns_rad * share
        elif self.kind == "rock":
            lean = self.turns_rad * np.sin(2 * np.pi * 2 * share) * (share < 1)
        elif self.kind == "bounce":
            hop, within = divmod(min(share, 1 - 1e-9) * self.hops, 1)
            up_m = self.hop_m * 0.7**hop * 4 * within * (1 - within) * (share < 1)
        turn = Rotation.from_euler("z", heading) * Rotation.from_euler("x", lean)
        pose = np.eye(4)
        pose[:3, :3] = turn.as_matrix()
        pose[:3, 3] = place + np.array([0.0, 0.0, up_m])
        return pose


@dataclass(frozen=True, kw_only=True)
class Nursery(Scene):
    """A scene with its furniture.

    Attributes:
        furniture: parts in the coordinates of the world, that never move.
        fog_per_m: density of the haze.
        flicker: share of the light by which it wavers.
    """

    furniture: tuple[Part, ...]
    fog_per_m: float
    flicker: float

    def brightness(self, at_s: float) -> float:
        """Factor of the light at a time."""
        return 1 + self.flicker * float(np.sin(5.1 * at_s) + np.sin(8.3 * at_s + 1)) / 2


def _bezier(points_k3: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Place and tangent of a curve, by de Casteljau."""
    while len(points_k3) > 2:
        points_k3 = points_k3[:-1] * (1 - share) + points_k3[1:] * share
    return points_k3[0] * (1 - share) + points_k3[1] * share, points_k3[1] - points_k3[0]


def scene_of(number: int) -> Nursery:
    """Draw a scene."""
    rng = np.random.default_rng(seed_for("looks", "nursery", number))
    width, height = SIZES_PX[int(rng.integers(len(SIZES_PX)))]
    focal_px = width / 2 / np.tan(np.deg2rad(rng.uniform(40, 75)) / 2)
    distance_m, bearing = float(rng.uniform(1.5, 3.5)), float(rng.uniform(0, 2 * np.pi))
    reach_m = 0.75 * distance_m * width / 2 / focal_px
    things = tuple(_toy(rng, reach_m) for _ in range(int(rng.integers(1, 6))))
    sun = np.array([rng.normal(), rng.normal(), rng.uniform(1.0, 2.5)])
    return Nursery(
        things=things,
        background=(),
        camera=Stand(
            kind=str(rng.choice(CAMERAS)), target_m_3=(0.0, 0.0, float(rng.uniform(0.0, 0.3))),
            distance_m=distance_m, bearing_rad=bearing,
            height_m=float(distance_m * rng.uniform(0.25, 0.9)),
            rate=float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.15)),
            phases=tuple((float(rng.uniform(0, 6)), float(rng.uniform(0.001, 0.008)))
                         for _ in range(6)),
        ),
        size_px=(width, height),
        focal_px=float(focal_px),
        light_3=tuple((sun / np.linalg.norm(sun)).tolist()),
        ambient=float(rng.uniform(0.3, 0.8)),
        sky_rgb=tuple(rng.uniform(0.3, 0.95, 3).tolist()),
        furniture=tuple(_furniture(rng, bearing, reach_m)),
        fog_per_m=float(rng.choice([0.0, 0.0, 0.0, 0.08])),
        flicker=float(rng.choice([0.0, 0.0, 0.0, 0.0, 0.06])),
    )  # fmt: skip


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    return tuple(rng.uniform(0.05, 0.95, 3).tolist())


def _part(
    rng: np.random.Generator, solid: str, size_m: tuple[float, float, float],
    at_m: tuple[float, float, float], skins: tuple[str, ...] = SKINS,
) -> Part:  # fmt: skip
    return Part(
        solid=solid, size_m_3=size_m, at_m_3=at_m, skin=str(rng.choice(skins)), rgb=_colour(rng),
        other_rgb=_colour(rng), rough=float(rng.uniform(0.2, 1)),
        metal=float(rng.choice([0, 0, 0, 0.6])), repeat=float(rng.integers(1, 4)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _furniture(rng: np.random.Generator, bearing: float, reach_m: float) -> list[Part]:
    """Floor, walls, shelf, table and boxes behind the middle, as the camera sees it."""
    wide = 30.0
    floor = _part(rng, "box", (wide, wide, 0.02), (0, 0, -0.01), FLOORS)
    found = [Part(**{**vars(floor), "repeat": wide / float(rng.uniform(0.5, 1.5)), "metal": 0.0})]
    away = -np.array([np.cos(bearing), np.sin(bearing)])
    aside = np.array([-away[1], away[0]])
    if rng.random() < 0.75:
        foot = away * reach_m * rng.uniform(1.6, 3.0)
        wall = _part(rng, "wall", (wide, 0.02, 4.0), (float(foot[0]), float(foot[1]), 2.0),
                     WALLPAPERS)  # fmt: skip
        found.append(Part(**{**vars(wall), "repeat": wide / 1.2, "metal": 0.0}))
    for _ in range(int(rng.integers(0, 5))):
        place = away * reach_m * rng.uniform(0.9, 1.8) + aside * reach_m * rng.uniform(-1.2, 1.2)
        size = reach_m * rng.uniform(0.1, 0.5, 3)
        found.append(_part(rng, str(rng.choice(["box", "box", "cylinder"])),
                           (float(size[0]), float(size[1]), float(size[2])),
                           (float(place[0]), float(place[1]), float(size[2] / 2))))  # fmt: skip
    return found


def _parts(rng: np.random.Generator, kind: str, size_m: float) -> tuple[Part, ...]:
    """The parts of a toy around its centre; it rides along +x."""
    s = size_m
    if kind == "car":
        return (
            _part(rng, "box", (s, s * 0.5, s * 0.22), (0, 0, -s * 0.05)),
            _part(rng, "box", (s * 0.5, s * 0.44, s * 0.2), (-s * 0.08, 0, s * 0.15)),
            *(_part(rng, "sphere", (s * 0.22, s * 0.12, s * 0.22), (x * s * 0.3, y * s * 0.26,
                    -s * 0.14), ("plain",)) for x in (-1, 1) for y in (-1, 1)),
        )  # fmt: skip
    if kind == "duck":
        return (
            _part(rng, "sphere", (s, s * 0.6, s * 0.55), (0, 0, -s * 0.1)),
            _part(rng, "sphere", (s * 0.4, s * 0.4, s * 0.4), (s * 0.3, 0, s * 0.3)),
            _part(rng, "box", (s * 0.22, s * 0.15, s * 0.07), (s * 0.55, 0, s * 0.27), ("plain",)),
        )
    if kind == "ball":
        return (_part(rng, "sphere", (s, s, s), (0, 0, 0)),)
    if kind == "top":
        return (
            _part(rng, "cylinder", (s * 0.8, s * 0.8, s * 0.2), (0, 0, 0)),
            _part(rng, "cone", (s * 0.6, s * 0.6, s * 0.4), (0, 0, s * 0.3)),
        )
    if kind == "blocks":
        return tuple(
            _part(rng, "box", (s * 0.5, s * 0.5, s * 0.33), (0, 0, s * 0.33 * k))
            for k in (-1, 0, 1)
        )
    return (
        _part(rng, "box", (s * 0.4, s * 0.5, s * 0.5), (0, 0, -s * 0.2)),
        _part(rng, "sphere", (s * 0.35, s * 0.35, s * 0.35), (0, 0, s * 0.2)),
        _part(rng, "cylinder", (s * 0.12, s * 0.12, s * 0.4), (0, s * 0.32, -s * 0.15)),
        _part(rng, "cylinder", (s * 0.12, s * 0.12, s * 0.4), (0, -s * 0.32, -s * 0.15)),
    )


def _extents(parts: tuple[Part, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of all parts."""
    low = np.min([np.array(part.at_m_3) - np.array(part.size_m_3) / 2 for part in parts], axis=0)
    high = np.max([np.array(part.at_m_3) + np.array(part.size_m_3) / 2 for part in parts], axis=0)
    return low, high


def _toy(rng: np.random.Generator, reach_m: float) -> Toy:
    kind, course = str(rng.choice(KINDS)), str(rng.choice(COURSES))
    parts = _parts(rng, kind, float(reach_m * rng.uniform(0.15, 0.55)))
    low, high = _extents(parts)
    place = rng.uniform(-0.85, 0.85, 2) * reach_m
    start = np.array([place[0], place[1], -low[2]])
    bends: list[np.ndarray] = []
    if course not in ("rock", "spin", "rest"):
        ends = rng.uniform(-0.85, 0.85, (int(rng.integers(1, 4)), 2)) * reach_m
        bends = [np.array([x, y, start[2]]) for x, y in ends]
    late, early = rng.random(2) < (0.3, 0.3)
    return Toy(
        mesh=quad(np.zeros((4, 3)), 1.0), texture=parts[0].skin, texture_seed=parts[0].seed,
        shape=kind, size_m_3=tuple((high - low).tolist()), parts=parts,
        motion=Way(
            kind=course, start_m_3=tuple(start.tolist()),
            from_s=float(rng.uniform(0.3, 1.8)) if late else float(rng.uniform(-1.0, 0.0)),
            until_s=float(rng.uniform(2.2, 3.8)) if early else float(rng.uniform(4.2, 6.0)),
            yaw_rad=float(rng.uniform(0, 2 * np.pi)),
            bends_m_k3=tuple(tuple(bend.tolist()) for bend in bends),
            turns_rad=float(rng.uniform(2, 9) if course == "spin" else rng.uniform(0.1, 0.35)),
            hops=int(rng.integers(2, 6)), hop_m=float(reach_m * rng.uniform(0.2, 0.6)),
        ),
    )  # fmt: skip
