"""Exact scenes without pictures: objects on a floor before a level camera, any number of clips."""

import dataclasses

import numpy as np
import polars as pl

from p4d.config import FactsParams
from p4d.geometry.cameras import axis_rotation, look_at, rigid
from p4d.ids import content_id
from p4d.questions.asking.compose import compose
from p4d.questions.facts.exact.scene_facts import scene_facts
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.table import SCHEMA as FACTS_SCHEMA
from p4d.questions.facts.table import Fact, Source

FACTS = FactsParams(
    moving_threshold_m=0.05,
    turning_threshold_rad=0.2,
    instants="grid",
    least_instant_gap_s=0.2,
    seen_at_both_ends=True,
    seconds=False,
)
FRAMES = 8
NAMES = ("red", "green", "blue", "yellow", "pink")
UP = np.array([0.0, 0.0, 1.0])
HEADINGS_M = {
    "right": (1.0, 0.0, 0.0),
    "left": (-1.0, 0.0, 0.0),
    "away from the camera": (0.0, 1.0, 0.0),
    "towards the camera": (0.0, -1.0, 0.0),
    "up": (0.0, 0.0, 1.0),
    "down": (0.0, 0.0, -1.0),
}
SPINS = {
    "clockwise": (0.0, 0.0, -1.0),
    "counter-clockwise": (0.0, 0.0, 1.0),
    "tumbles over": (1.0, 0.0, 0.0),
}


COURSES = {
    "evenly": lambda x: x,
    "faster": lambda x: x**2,
    "slower": lambda x: 1 - (1 - x) ** 2,
    "late": lambda x: np.clip((x - 0.42) / 0.58, 0, 1),
    "early": lambda x: np.clip(x / 0.58, 0, 1),
    "back": lambda x: 2 * np.minimum(x, 1 - x),
}


def thing(
    at_m, *, heading=None, length_m=0.6, spin=None, turn_rad=2.0, course="evenly", bend_rad=0.0
):
    """Poses [T, 4, 4] of one object that moves along a heading and turns evenly."""
    along = np.linspace(0.0, 1.0, FRAMES)
    way_m = np.zeros((FRAMES, 3))
    if heading:
        ahead, done = np.asarray(HEADINGS_M[heading]), COURSES[course](along)[:, None]
        way_m = done * length_m * ahead
        if bend_rad:
            side, radius_m = np.cross(UP, ahead), length_m / bend_rad
            way_m = radius_m * (
                np.sin(done * bend_rad) * ahead + (1 - np.cos(done * bend_rad)) * side
            )
    angles = along * (turn_rad if spin else 0.0)
    axis = np.asarray(SPINS[spin]) if spin else UP
    return rigid(axis_rotation(axis, angles), np.asarray(at_m) + way_m)


def scene(things, *, clip="clip_a", sizes_m=None, scale_kind="metric"):
    """A scene with a resting camera at (0, -3, 1) that looks along +y."""
    poses_kt44 = np.stack(things) if len(things) else np.zeros((0, FRAMES, 4, 4))
    camera = look_at(np.array([0.0, -3.0, 1.0]), np.array([0.0, 0.0, 0.6]))
    sizes = np.full((len(things), 3), 0.4) if sizes_m is None else np.asarray(sizes_m)
    return Scene(
        source=Source(clip_id=clip, scale_kind=scale_kind, teacher="exact", teacher_digest="truth"),
        time_ns=np.arange(FRAMES, dtype=np.int64) * 250_000_000,
        named_ns=np.arange(FRAMES, dtype=np.int64) * 250_000_000,
        world_T_cam_t44=np.repeat(camera[None], FRAMES, axis=0),
        K_33=np.array([[66.0, 0, 32.0], [0, 66.0, 32.0], [0, 0, 1.0]]),
        region_ids=tuple(content_id("reg", clip, k) for k in range(len(things))),
        world_T_obj_kt44=poses_kt44,
        size_m_k3=sizes.reshape(-1, 3),
        visible_kt=np.ones((len(things), FRAMES), dtype=bool),
        names=tuple(f"{colour} box" for colour in NAMES[: len(things)]),
        absent_name=f"{NAMES[len(things)]} ball",
    )


def facts_of(a_scene, params=FACTS):
    """All facts, by (kind, marks, start, end)."""
    mark = {region: k + 1 for k, region in enumerate(a_scene.region_ids)}
    return {
        (f.kind, tuple(mark[r] for r in f.region_ids), f.start_ns, f.end_ns): f
        for f in scene_facts(a_scene, params)
    }


def random_scene(seed):
    """Three or four objects whose kind of movement, place and size are drawn independently."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 5))
    moving = int(rng.integers(0, count + 1))
    things = []
    for k in range(count):
        at_m = (rng.uniform(-1.2, 1.2), rng.uniform(-1.0, 1.5), rng.uniform(0.2, 0.6))
        how = rng.choice(["way", "spin", "both"]) if k < moving else "rest"
        heading = rng.choice(list(HEADINGS_M)) if how in ("way", "both") else None
        spin = rng.choice(list(SPINS)) if how in ("spin", "both") else None
        length_m = float(np.exp(rng.uniform(np.log(0.2), np.log(1.5))))
        things.append(
            thing(
                at_m,
                heading=heading,
                length_m=length_m,
                spin=spin,
                turn_rad=rng.uniform(1, 6),
                course=str(rng.choice(list(COURSES))),
                bend_rad=float(rng.choice([0.0, 0.0, -1.8, 1.8])),
            )
        )
    sizes_m = np.random.default_rng(seed + 1).uniform(0.25, 0.7, (count, 3))
    one = scene(things, clip=f"clip_{seed:06d}", sizes_m=sizes_m)
    ride_m = np.asarray(HEADINGS_M[str(rng.choice(list(HEADINGS_M)))]) * rng.choice(
        [0.0, rng.uniform(0.15, 0.9)]
    )
    along = np.linspace(0.0, 1.0, FRAMES)
    one.world_T_cam_t44[:, :3, 3] += along[:, None] * ride_m
    axis = [UP, one.world_T_cam_t44[0, :3, 0]][int(rng.integers(2))]
    swing = axis_rotation(axis, along * rng.choice([0.0, 0.0, -0.25, 0.25]))
    one.world_T_cam_t44[:, :3, :3] = swing @ one.world_T_cam_t44[:, :3, :3]
    return one


@dataclasses.dataclass(frozen=True)
class Clip:
    """What the composer knows of one clip."""

    clip_id: str
    video_id: str
    has_truth: bool
    region_ids: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclasses.dataclass(frozen=True)
class ComposedRows:
    """Rows of questions and of refused candidates."""

    questions: list
    refused: list


def tables_of(clips):
    """Tables of clips, regions and facts, as the stages write them."""
    rows = [(c.clip_id, c.video_id, c.has_truth) for c in clips]
    regions = [(c.clip_id, r, k + 1) for c in clips for k, r in enumerate(c.region_ids)]
    return (
        pl.DataFrame(rows, schema=["clip_id", "video_id", "has_truth"], orient="row"),
        pl.DataFrame(
            regions,
            schema={"clip_id": pl.String, "region_id": pl.String, "mark": pl.Int64},
            orient="row",
        ),
        pl.DataFrame([fact.row() for c in clips for fact in c.facts], schema=FACTS_SCHEMA),
    )


def compose_clips(clips, params, splits):
    """Questions of clips, as rows."""
    composed = compose(*tables_of(clips), params, splits)
    return ComposedRows(composed.questions.to_dicts(), composed.refused.to_dicts())


def clip_of(a_scene, video):
    """The composer's view of a scene."""
    facts = tuple(scene_facts(a_scene, FACTS))
    return Clip(a_scene.source.clip_id, video, True, a_scene.region_ids, facts)


def random_clips(count, seed=0):
    """Clips of `count // 2` videos."""
    return [
        clip_of(random_scene(1000 * seed + i), f"vid_{seed}_{i // 2:05d}") for i in range(count)
    ]


def with_facts(a_clip, change):
    """The clip with every fact replaced by `change(fact)`."""
    return dataclasses.replace(a_clip, facts=tuple(change(fact) for fact in a_clip.facts))
