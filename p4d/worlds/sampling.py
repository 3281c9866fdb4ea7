"""Worlds sampled from a seed.

Objects are few and large, so that they stay recognisable at 64 px. The number of moving objects,
their kind of motion, direction, rotation sense, distance and speed are sampled independently, so
that none can be guessed from another. A sample whose objects would collide, leave the picture or
become too small is rejected and sampled again with the same number of moving objects.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from p4d.errors import ConfigError
from p4d.geometry.cameras import axis_rotation, inverse, pinhole
from p4d.ids import seed_for
from p4d.worlds.motion import PROFILES, CameraPath, Launch, MotionPath, Spin, Vector
from p4d.worlds.spec import (
    CAMERAS,
    FOV_Y_RAD,
    GRAVITY_M_S2,
    MOTIONS,
    PALETTES,
    ObjectSpec,
    WorldSpec,
)

_UP = np.array([0.0, 0.0, 1.0])
_HEADINGS: dict[str, Vector] = {  # in view axes: right, forward, up
    "left": (-1.0, 0.0, 0.0),
    "right": (1.0, 0.0, 0.0),
    "toward": (0.0, -1.0, 0.0),
    "away": (0.0, 1.0, 0.0),
    "up": (0.0, 0.0, 1.0),
    "down": (0.0, 0.0, -1.0),
}
_SHORTEST_PATH_M = 0.3
# How often 0, 1, 2, ... of the objects move: every count is common over all worlds.
_MOVING_SHARE = {3: (0.12, 0.25, 0.29, 0.34), 4: (0.10, 0.16, 0.22, 0.24, 0.28)}
_MIN_AREA_AT_64_PX = 80.0  # of the bounding ellipse; the silhouette is somewhat smaller or larger


def spec_for(seed: int, duration_s: float = 4.0, *, appearance: str = "default") -> WorldSpec:
    """Sample the world of a seed; its motions are planned over `duration_s`.

    Appearances differ in shapes, colours and textures, not in how objects move. Equal seeds of
    different appearances give different worlds.

    Raises:
        ConfigError: there is no such appearance; the known ones are listed.
    """
    if appearance not in PALETTES:
        raise ConfigError(f"no appearance is called {appearance!r}; known are {sorted(PALETTES)}")
    purpose = ("world",) if appearance == "default" else ("world", appearance)
    rng = np.random.default_rng(seed_for(seed, *purpose))
    duration_s = float(duration_s)
    drafts = _sample_objects(rng, duration_s, appearance)
    still_allowed = any(draft.motion != "static" for draft in drafts)
    objects, shorter = None, 1.0
    while objects is None:
        camera = _sample_camera(rng, duration_s, still_allowed=still_allowed)
        # Only paths are shortened when a scene is too crowded: sampling the objects again would
        # favour those that are easy to place.
        objects = _place_objects(rng, drafts, camera, duration_s, shorter)
        shorter *= 0.93
    angle = rng.uniform(0, 2 * np.pi)
    floor, wall = _earth_tone(rng, 0.40), _earth_tone(rng, 0.66)
    return WorldSpec(
        seed=seed,
        duration_s=duration_s,
        camera=camera,
        objects=objects,
        room_half_m=float(rng.uniform(3.3, 4.2)),
        lamp_m=(
            1.9 * float(np.cos(angle)),
            1.9 * float(np.sin(angle)),
            float(rng.uniform(4.4, 5.2)),
        ),
        floor_rgb=floor,
        wall_rgb=wall,
        appearance=appearance,
    )


def _earth_tone(rng: np.random.Generator, level: float) -> tuple[Vector, Vector]:
    """Two near-grey tones: a background must not have the colour of an object."""
    tint = rng.uniform(-0.05, 0.05, 3)
    dark = level * rng.uniform(0.75, 1.0) + tint
    light = dark + rng.uniform(0.18, 0.30)
    return _vector(dark), _vector(light)


def _sample_camera(
    rng: np.random.Generator, duration_s: float, *, still_allowed: bool
) -> CameraPath:
    shares = np.array([0.35 if still_allowed else 0.0, 0.2, 0.15, 0.15, 0.15])
    kind = str(rng.choice(CAMERAS, p=shares / shares.sum()))
    sign = rng.choice([-1.0, 1.0])
    azimuth = rng.uniform(0, 2 * np.pi)
    across = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    shift = across * sign * rng.uniform(0.25, 0.5) if kind == "pan" else np.zeros(3)
    return CameraPath(
        kind=kind,
        target_m=(0.0, 0.0, float(rng.uniform(0.3, 0.45))),
        target_shift_m=_vector(shift),
        distance_m=float(rng.uniform(2.2, 2.8)),
        ride_m=float(sign * rng.uniform(0.2, 0.5)) if kind == "dolly" else 0.0,
        azimuth_rad=float(azimuth),
        swing_rad=float(sign * rng.uniform(0.15, 0.5)) if kind in ("orbit", "sway") else 0.0,
        height_m=float(rng.uniform(0.9, 1.7)),
        bob_m=float(rng.uniform(0.05, 0.12)) if kind == "sway" else 0.0,
        bob_hz=float(rng.uniform(0.2, 0.5)),
        duration_s=duration_s,
    )


def _sample_objects(
    rng: np.random.Generator, duration_s: float, appearance: str
) -> list[ObjectSpec]:
    """Objects before they have a position.

    Paths and headings are in view axes (right, forward, up); thrown objects move along +y.
    """
    count = int(rng.integers(3, 5))
    moving = int(rng.choice(count + 1, p=_MOVING_SHARE[count]))
    kinds = ["static"] * (count - moving) + [
        str(kind) for kind in rng.choice(MOTIONS[1:], size=moving, p=[0.35, 0.2, 0.25, 0.2])
    ]
    kinds = [kinds[i] for i in rng.permutation(count)]
    palette, known_shapes = PALETTES[appearance]
    colours = [list(palette)[i] for i in rng.permutation(len(palette))[:count]]
    shapes = [str(shape) for shape in rng.choice(known_shapes, size=count)]
    return [
        _sample_object(rng, k + 1, shapes[k], colours[k], kinds[k], duration_s)
        for k in range(count)
    ]


def _sample_object(
    rng: np.random.Generator,
    instance: int,
    shape: str,
    colour: str,
    motion: str,
    duration_s: float,
) -> ObjectSpec:
    size_m = _sample_size(rng, shape)
    translates = motion in ("translating", "translating_rotating")
    rotates = motion in ("rotating", "translating_rotating")
    path = _sample_path(rng, duration_s) if translates else None
    spin = _sample_spin(rng, duration_s) if rotates else None
    launch = _sample_launch(rng, duration_s) if motion == "ballistic" else None
    tumbles = spin is not None and abs(spin.axis[2]) < 0.5
    lying = shape in ("capsule", "cylinder") and rng.random() < 0.3
    rotation = axis_rotation(_UP, rng.uniform(0, 2 * np.pi))
    if lying:
        rotation = rotation @ axis_rotation(np.array([0.0, 1.0, 0.0]), np.pi / 2)
    half_height_m = 0.5 * float(np.linalg.norm(size_m) if tumbles else size_m[0 if lying else 2])
    return ObjectSpec(
        instance=instance,
        shape=shape,
        colour=colour,
        size_m=size_m,
        motion=motion,
        position_m=(0.0, 0.0, half_height_m + 0.002),
        rotation=(_vector(rotation[0]), _vector(rotation[1]), _vector(rotation[2])),
        path=path,
        spin=spin,
        launch=launch,
    )


def _place_objects(
    rng: np.random.Generator,
    drafts: list[ObjectSpec],
    camera: CameraPath,
    duration_s: float,
    shorter: float,
) -> tuple[ObjectSpec, ...] | None:
    """Find a position for every object, with paths scaled by `shorter`; None if one has none."""
    times_s = np.linspace(0.0, duration_s, 25)
    world_T_cam = camera.world_T_cam(times_s)
    cam_T_world = inverse(world_T_cam)
    right = world_T_cam[0, :3, 0]
    world_R_view = np.stack([right, np.cross(_UP, right), _UP], axis=-1)
    # The objects that need most room are placed first.
    order = sorted(drafts, key=lambda d: (d.path is None, d.motion == "static", d.instance))
    placed: list[tuple[ObjectSpec, NDArray[np.float64]]] = []
    for draft in order:
        for _ in range(60):
            obj = _positioned(rng, draft, world_R_view, shorter)
            centres = _rough_centres(obj, times_s)
            if _fits(obj, centres, placed, cam_T_world):
                placed.append((obj, centres))
                break
        else:
            return None
    return tuple(sorted((obj for obj, _ in placed), key=lambda obj: obj.instance))


def _positioned(
    rng: np.random.Generator,
    draft: ObjectSpec,
    world_R_view: NDArray[np.float64],
    shorter: float,
) -> ObjectSpec:
    path, launch, height_m = draft.path, draft.launch, draft.position_m[2]
    spot = np.array([rng.uniform(-1.3, 1.3), rng.uniform(-0.8, 1.1), 0.0])
    if path is not None:
        length_m = max(_SHORTEST_PATH_M, path.length_m * shorter)
        if path.direction[2] < 0:
            height_m += length_m
        direction = _vector(world_R_view @ path.direction)
        path = replace(path, direction=direction, length_m=length_m)
    if launch is not None:
        # Thrown roughly across the middle, so that it stays in the room and in the picture.
        aim = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.2, 0.5), 0.0]) - spot
        aim *= launch.velocity_m_s[1] / max(float(np.linalg.norm(aim)), 1e-3)
        aim[2] = launch.velocity_m_s[2]
        launch = replace(launch, velocity_m_s=_vector(world_R_view @ aim))
    x_m, y_m, _ = world_R_view @ spot
    return replace(draft, position_m=(float(x_m), float(y_m), height_m), path=path, launch=launch)


def _sample_size(rng: np.random.Generator, shape: str) -> Vector:
    a, b, c = rng.uniform(0.32, 0.62, 3)
    if shape == "ball":
        a = b = c = rng.uniform(0.36, 0.62)
    elif shape == "cylinder":
        a = b = rng.uniform(0.32, 0.54)
    elif shape == "capsule":
        a = b = rng.uniform(0.28, 0.38)
        c = a + rng.uniform(0.2, 0.4)
    elif shape == "egg":
        a = rng.uniform(0.52, 0.7)
        b = c = a * rng.uniform(0.55, 0.7)
    return _vector(np.array([a, b, c]))


def _sample_path(rng: np.random.Generator, duration_s: float) -> MotionPath:
    name = str(rng.choice(list(_HEADINGS), p=[0.22, 0.22, 0.2, 0.2, 0.09, 0.07]))
    vertical = name in ("up", "down")
    direction = np.array(_HEADINGS[name])
    if not vertical:
        direction = axis_rotation(_UP, rng.uniform(-0.25, 0.25)) @ direction
    profile = str(rng.choice(PROFILES, p=[0.35, 0.15, 0.15, 0.2, 0.15]))
    begin_s, end_s = 0.0, duration_s
    if profile == "window":
        begin_s = float(rng.uniform(0.0, 0.4)) * duration_s
        end_s = begin_s + float(rng.uniform(0.3, 0.6)) * duration_s
    longest_m = 1.1 if vertical else 2.6
    curved = not vertical and rng.random() < 0.25
    return MotionPath(
        direction=_vector(direction),
        length_m=float(np.exp(rng.uniform(np.log(0.6), np.log(longest_m)))),
        turn_rad=float(rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 2.6)) if curved else 0.0,
        profile=profile,
        begin_s=begin_s,
        end_s=end_s,
    )


def _sample_spin(rng: np.random.Generator, duration_s: float) -> Spin:
    sense = rng.choice(["clockwise", "counter-clockwise", "tumbling"])
    heading = rng.uniform(0, 2 * np.pi)
    axis = {
        "clockwise": np.array([0.0, 0.0, -1.0]),
        "counter-clockwise": np.array([0.0, 0.0, 1.0]),
        "tumbling": np.array([np.cos(heading), np.sin(heading), 0.0]),
    }[str(sense)]
    begin_s, end_s = 0.0, duration_s
    if rng.random() < 0.2:
        begin_s = float(rng.uniform(0.0, 0.5)) * duration_s
        end_s = begin_s + 0.5 * duration_s
    rate = float(np.exp(rng.uniform(np.log(0.4), np.log(2.2))))
    return Spin(axis=_vector(axis), rate_rad_s=rate, begin_s=begin_s, end_s=end_s)


def _sample_launch(rng: np.random.Generator, duration_s: float) -> Launch:
    return Launch(
        begin_s=float(rng.uniform(0.0, 0.6)) * duration_s,
        velocity_m_s=(0.0, float(rng.uniform(0.4, 1.0)), float(rng.uniform(2.4, 3.4))),
        spin_rad_s=_vector(rng.uniform(-2.5, 2.5, 3)),
    )


def _fits(
    obj: ObjectSpec,
    centres: NDArray[np.float64],
    placed: list[tuple[ObjectSpec, NDArray[np.float64]]],
    cam_T_world: NDArray[np.float64],
) -> bool:
    reach_m = 0.5 * float(np.linalg.norm(obj.size_m))
    for other, other_centres in placed:
        gap_m = np.linalg.norm(centres - other_centres, axis=-1)
        if gap_m.min() < 0.85 * (reach_m + 0.5 * float(np.linalg.norm(other.size_m))):
            return False
    K = pinhole(FOV_Y_RAD, 64, 64)
    seen = np.einsum("tij,tj->ti", cam_T_world[:, :3, :3], centres) + cam_T_world[:, :3, 3]
    z_m = seen[:, 2]
    if z_m.min() < 0.8 + reach_m:
        return False
    uv = seen[:, :2] / z_m[:, None] * K[0, 0] + K[:2, 2]
    # The mean of the three extents approximates the silhouette in any orientation.
    across_px = float(np.mean(obj.size_m)) * K[0, 0] / z_m
    margin_px = 0.42 * across_px
    inside = ((uv > margin_px[:, None]) & (uv < 64 - margin_px[:, None])).all(axis=-1)
    large = np.pi / 4 * across_px**2 >= _MIN_AREA_AT_64_PX
    return bool(inside.mean() >= 0.9 and inside[0] and large.mean() >= 0.9)


def _rough_centres(obj: ObjectSpec, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres over time; a throw is approximated by one flight that ends on the floor."""
    centres = np.zeros((len(times_s), 3)) + obj.position_m
    if obj.path is not None:
        centres += obj.path.offsets_m(times_s)
    if obj.launch is None:
        return centres
    velocity = np.asarray(obj.launch.velocity_m_s)
    flown_s = np.clip(times_s - obj.launch.begin_s, 0.0, 2 * velocity[2] / GRAVITY_M_S2)
    fall = np.array([0.0, 0.0, -0.5 * GRAVITY_M_S2])
    return np.asarray(centres + flown_s[:, None] * velocity + flown_s[:, None] ** 2 * fall)


def _vector(values: NDArray[np.float64]) -> Vector:
    """Plain floats: a spec is data that compares and prints the same everywhere."""
    return (float(values[0]), float(values[1]), float(values[2]))
