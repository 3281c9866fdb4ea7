"""What the look `yard` films: goods and people between buildings, before a camera on a wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.atelier.stage import Stand
from benchmarks.reality.looks.motions import Motion
from benchmarks.reality.looks.nursery.room import Part
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import quad
from p4d.ids import seed_for

GROUNDS = ("asphalt", "asphalt", "paving", "paving", "gravel", "grass", "concrete")
WALLS = ("bricks", "bricks", "shutter", "render", "concrete")
COATS = ("paint", "paint", "paint", "lettered", "boards", "camouflage", "bands")
KINDS = ("van", "van", "walker", "walker", "walker", "barrel", "crate", "drone", "gate")
COURSES = {
    "van": ("drive", "drive", "park", "reverse", "rest"),
    "walker": ("walk", "walk", "walk", "halt", "rest"),
    "barrel": ("roll", "roll", "rest"),
    "crate": ("hoist", "push", "rest", "rest"),
    "drone": ("hover", "fly"),
    "gate": ("swing",),
}
CAMERAS = ("tripod", "tripod", "tripod", "tripod", "hand", "hand", "pan", "tilt", "track")
SIZES_PX = ((256, 192), (288, 162), (216, 216))
GROUND_M = 40.0


@dataclass(frozen=True, kw_only=True)
class Body(Thing):
    """A thing of several parts, in its own coordinates; it faces +x."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Errand(Motion):
    """What a thing does between two times; before and after it rests.

    Attributes:
        way_m_3: from start to end.
        bow_m: how far the way leaves its straight line, to its left.
        turn_rad: about the vertical, over the whole errand.
        bob_m, bobs: height and number of the steps of who walks, or of the waves of what hovers.
    """

    way_m_3: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bow_m: float = 0.0
    turn_rad: float = 0.0
    bob_m: float = 0.0
    bobs: float = 0.0

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        share = float(np.clip((at_s - self.from_s) / (self.until_s - self.from_s), 0, 1))
        gone = share
        if self.kind == "park":  # it brakes
            gone = 1 - (1 - share) ** 2
        elif self.kind in ("halt", "reverse"):  # there, and on, or back
            gone = float(np.interp(share, [0, 0.4, 0.6, 1], [0, 0.5, 0.5, 1]))
            gone = gone if self.kind == "halt" else float(np.interp(share, [0, 0.5, 1], [0, 1, 0]))
        elif self.kind in ("hoist", "swing", "push", "fly"):
            gone = share * share * (3 - 2 * share)
        way = np.array(self.way_m_3)
        far_m = float(np.linalg.norm(way))
        aside = np.array([-way[1], way[0], 0.0]) / max(1e-9, float(np.hypot(*way[:2])))
        place = np.array(self.start_m_3) + way * gone + aside * self.bow_m * np.sin(np.pi * gone)
        if 0 < share < 1:
            place[2] += self.bob_m * abs(np.sin(np.pi * self.bobs * share))
        turn = Rotation.from_euler("z", self.yaw_rad + self.turn_rad * gone)
        if self.kind == "roll":  # it lies across its way
            turn = Rotation.from_euler("z", self.yaw_rad) * Rotation.from_euler(
                "y", far_m * gone / self.radius_m
            )
        pose = np.eye(4)
        pose[:3, :3] = turn.as_matrix()
        pose[:3, 3] = place
        return pose


@dataclass(frozen=True, kw_only=True)
class Yard(Scene):
    """A scene with what never moves.

    Attributes:
        buildings: parts in the coordinates of the world.
        clouds: share of the sunlight that clouds take away slowly.
        shine: strength of highlights, 0 to 1.
    """

    buildings: tuple[Part, ...]
    clouds: float
    shine: float

    def sunlight(self, at_s: float) -> float:
        """Factor of the sun at a time."""
        return 1 - self.clouds * (1 + float(np.sin(1.9 * at_s + self.focal_px))) / 2


def scene_of(number: int) -> Yard:
    """Draw a scene."""
    rng = np.random.default_rng(seed_for("looks", "yard", number))
    width, height = SIZES_PX[int(rng.integers(len(SIZES_PX)))]
    focal_px = width / 2 / np.tan(np.deg2rad(rng.uniform(40, 80)) / 2)
    distance_m, bearing = float(rng.uniform(6.0, 13.0)), float(rng.uniform(0, 2 * np.pi))
    reach_m = 0.8 * distance_m * width / 2 / focal_px
    things = tuple(_body(rng, reach_m) for _ in range(int(rng.integers(1, 6))))
    high = rng.uniform(0.4, 1.2)
    around = rng.uniform(0, 2 * np.pi)
    return Yard(
        things=things,
        background=(),
        camera=Stand(
            kind=str(rng.choice(CAMERAS)), target_m_3=(0.0, 0.0, float(rng.uniform(0.3, 1.0))),
            distance_m=distance_m, bearing_rad=bearing,
            height_m=float(distance_m * rng.uniform(0.2, 0.7)),
            rate=float(rng.choice([-1, 1]) * rng.uniform(0.04, 0.15)),
            phases=tuple((float(rng.uniform(0, 6)), float(rng.uniform(0.001, 0.008)))
                         for _ in range(6)),
        ),
        size_px=(width, height),
        focal_px=float(focal_px),
        light_3=(float(np.cos(high) * np.cos(around)), float(np.cos(high) * np.sin(around)),
                 float(np.sin(high))),
        ambient=float(rng.uniform(0.25, 0.6)),
        sky_rgb=tuple(rng.uniform([0.4, 0.5, 0.6], [0.8, 0.85, 0.95]).tolist()),
        buildings=tuple(_buildings(rng, bearing, reach_m)),
        clouds=float(rng.choice([0.0, 0.0, 0.0, 0.0, 0.15])),
        shine=float(rng.choice([0.0, 0.2, 0.6])),
    )  # fmt: skip


def _part(
    rng: np.random.Generator, solid: str, size_m: tuple[float, float, float],
    at_m: tuple[float, float, float], coats: tuple[str, ...] = COATS,
    rgb: tuple[float, float, float] | None = None,
) -> Part:  # fmt: skip
    colour, other = rng.uniform(0.1, 0.9, (2, 3)).tolist()
    return Part(
        solid=solid, size_m_3=size_m, at_m_3=at_m, skin=str(rng.choice(coats)),
        rgb=rgb or tuple(colour), other_rgb=tuple(other), repeat=float(rng.integers(1, 3)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _greyish(rng: np.random.Generator) -> tuple[float, float, float]:
    """A colour of stone: little hue."""
    return tuple((rng.uniform(0.25, 0.75) + rng.uniform(-0.08, 0.08, 3)).tolist())


def _buildings(rng: np.random.Generator, bearing: float, reach_m: float) -> list[Part]:
    """Ground, walls, sheds and posts; posts also stand between the camera and the things."""
    ground = _part(rng, "box", (GROUND_M * 2, GROUND_M * 2, 0.1), (0, 0, -0.05), GROUNDS,
                   _greyish(rng))  # fmt: skip
    if ground.skin == "grass":
        ground = Part(**{**vars(ground), "rgb": (0.25, 0.42, 0.18), "other_rgb": (0.4, 0.5, 0.2)})
    found = [Part(**{**vars(ground), "repeat": GROUND_M * 2 / float(rng.uniform(1.5, 4.0))})]
    away = -np.array([np.cos(bearing), np.sin(bearing)])
    aside = np.array([-away[1], away[0]])
    for k in range(int(rng.integers(0, 4))):
        place = away * reach_m * rng.uniform(1.6, 2.6) + aside * reach_m * 2.2 * (k - 1)
        wide, deep, tall = (float(size) for size in rng.uniform([4, 2, 2.5], [9, 5, 6]))
        wall = _part(rng, "box", (wide, deep, tall), (float(place[0]), float(place[1]), tall / 2),
                     WALLS, _greyish(rng))  # fmt: skip
        found.append(Part(**{**vars(wall), "repeat": wide / 2.0}))
    for _ in range(int(rng.integers(0, 4))):
        place = away * reach_m * rng.uniform(-0.6, 1.2) + aside * reach_m * rng.uniform(-1, 1)
        tall = float(rng.uniform(1.0, 4.0))
        at_m = float(place[0]), float(place[1]), tall / 2
        found.append(_part(rng, "cylinder", (0.2, 0.2, tall), at_m, ("paint", "bands")))
    return found


def _parts(rng: np.random.Generator, kind: str) -> tuple[Part, ...]:
    """The parts of a thing around its centre, in metres before it is scaled."""
    dark = (0.08, 0.08, 0.09)
    if kind == "van":
        return (
            _part(rng, "box", (3.0, 1.4, 1.3), (-0.3, 0, 0.15)),
            _part(rng, "box", (0.9, 1.35, 0.8), (1.6, 0, -0.1)),
            *(_part(rng, "sphere", (0.6, 0.25, 0.6), (x, y, -0.6), ("paint",), dark)
              for x in (-1.2, 1.2) for y in (-0.68, 0.68)),
        )  # fmt: skip
    if kind == "walker":
        return (
            _part(rng, "cylinder", (0.45, 0.55, 0.75), (0, 0, 0.2)),
            _part(rng, "sphere", (0.3, 0.3, 0.35), (0, 0, 0.8), ("paint",), (0.75, 0.55, 0.42)),
            _part(rng, "box", (0.3, 0.4, 0.85), (0, 0, -0.55), ("paint",)),
        )
    if kind == "barrel":  # it lies: its axis is y, so the parts are discs beside each other
        return tuple(_part(rng, "sphere", (0.9, 0.5, 0.9), (0, y, 0)) for y in (-0.35, 0.0, 0.35))
    if kind == "crate":
        return (_part(rng, "box", tuple(rng.uniform(0.7, 1.4, 3).tolist()), (0, 0, 0)),)
    if kind == "gate":  # it hangs at its centre
        return (_part(rng, "box", (2.4, 0.12, 1.6), (1.2, 0, 0)),)
    return (
        _part(rng, "box", (0.5, 0.5, 0.2), (0, 0, 0)),
        *(_part(rng, "cylinder", (0.5, 0.5, 0.05), (x, y, 0.12), ("paint", "bands"))
          for x in (-0.4, 0.4) for y in (-0.4, 0.4)),
    )  # fmt: skip


def _body(rng: np.random.Generator, reach_m: float) -> Body:
    kind = str(rng.choice(KINDS))
    course = str(rng.choice(COURSES[kind]))
    scale = float(rng.uniform(0.8, 1.3))
    parts = tuple(
        Part(**{
            **vars(part),
            "size_m_3": tuple(scale * size for size in part.size_m_3),
            "at_m_3": tuple(scale * at for at in part.at_m_3),
        })
        for part in _parts(rng, kind)
    )  # fmt: skip
    low = np.min([np.array(part.at_m_3) - np.array(part.size_m_3) / 2 for part in parts], axis=0)
    high = np.max([np.array(part.at_m_3) + np.array(part.size_m_3) / 2 for part in parts], axis=0)
    place, end = rng.uniform(-0.9, 0.9, (2, 2)) * reach_m
    lift_m = float(rng.uniform(1.0, 2.5)) if kind == "drone" else 0.0
    start = (float(place[0]), float(place[1]), float(-low[2] + lift_m))
    way = np.array([*(end - place), 0.0])
    yaw = float(np.arctan2(way[1], way[0]))
    turn_rad = 0.0
    if course in ("rest", "hover", "swing"):
        way, yaw = np.zeros(3), float(rng.uniform(0, 2 * np.pi))
    if course == "hoist":
        way = np.array([0.0, 0.0, float(rng.uniform(0.5, 2.0))])
    if course == "fly":
        way[2] = float(rng.uniform(-0.5, 1.0))
    if course == "swing":
        turn_rad = float(rng.choice([-1, 1]) * rng.uniform(0.6, 1.6))
    late, early = rng.random(2) < (0.3, 0.3)
    steps = {"walk": 0.05, "halt": 0.05, "hover": 0.3, "fly": 0.15}.get(course, 0.0)
    return Body(
        mesh=quad(np.zeros((4, 3)), 1.0), texture=parts[0].skin, texture_seed=parts[0].seed,
        shape=kind, size_m_3=tuple((high - low).tolist()), parts=parts,
        motion=Errand(
            kind=course, start_m_3=start, yaw_rad=yaw, turn_rad=turn_rad,
            from_s=float(rng.uniform(0.3, 1.8)) if late else float(rng.uniform(-1.5, 0.0)),
            until_s=float(rng.uniform(2.2, 3.8)) if early else float(rng.uniform(4.2, 6.0)),
            radius_m=0.45 * scale, way_m_3=tuple(way.tolist()),
            bow_m=float(rng.choice([0, 0, 1]) * rng.normal() * 0.15 * reach_m),
            bob_m=steps, bobs=float(rng.integers(3, 9)),
        ),
    )  # fmt: skip
