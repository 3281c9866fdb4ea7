"""Facts of a clip with exact truth: poses of objects and camera, sizes, instants.

Directions of movement are those of a person who stands where the clip's first camera stands and
looks the same way, level: right, ahead (horizontal) and up (vertical), whatever the pitch.
Positions are in plain camera axes.
What is derived from orders, counts and courses over time is in order_facts.py and course_facts.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.config import FactsParams
from p4d.geometry.cameras import inverse, project, transform
from p4d.ids import seed_for
from p4d.questions.facts.order_facts import identity_facts, order_facts, premise_facts, when_facts
from p4d.questions.facts.scene import (
    HEADING_SIGMA_RAD,
    LEAST_MOVEMENT_PX,
    MAX_STEP_RAD,
    MIN_STRAIGHTNESS,
    POSITION_SIGMA_M,
    TURN_SIGMA_RAD,
    Scene,
    Turn,
    beyond,
    dominant,
    length_sigma,
    path_sigma_m,
    turn_of,
)
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.trajectory_facts import course_facts
from p4d.questions.facts.vocabulary import (
    CAMERA_DIRECTIONS,
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    DEPTHS,
    DIRECTIONS,
    MOTION,
    NOT_ROTATING,
    PICTURE_DIRECTIONS,
    ROTATIONS,
    SIDES,
    STAYS,
    STEADY,
    TUMBLES,
)


class SceneReader:
    """Scenes of a shard, from the truth beside its clips."""

    def __init__(self, clips: Path, labels: Path, regions: pl.DataFrame) -> None:
        truth, objects = clips / "truth.safetensors", clips / "objects.parquet"
        self._truth: Mapping[str, np.ndarray] = Arrays(truth) if truth.is_file() else {}
        self._objects: dict[tuple[str, int], dict[str, Any]] = {}
        if objects.is_file():
            for row in read_table(objects).to_dicts():
                self._objects[(row["clip_id"], int(row["instance"]))] = row
        self._colours = sorted({row["colour"] for row in self._objects.values()})
        self._shapes = sorted({row["shape"] for row in self._objects.values()})
        self._instance = {row["region_id"]: row["instance"] for row in regions.to_dicts()}
        self._digest = _exact_digest(labels)

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """All facts of one clip with truth."""
        return list(scene_facts(self.scene(clip, region_ids, masks_kthw), params))

    def scene(
        self, clip: Mapping[str, Any], region_ids: Sequence[str], masks_kthw: np.ndarray
    ) -> Scene:
        """The exact geometry of one clip; KeyError names what its truth lacks."""
        clip_id = clip["clip_id"]
        objects = [self._objects[(clip_id, int(self._instance[r]))] for r in region_ids]
        poses_kt44 = self._truth[f"{clip_id}.world_T_obj_kt44"]
        return Scene(
            source=Source(
                clip_id=clip_id,
                scale_kind=clip["scale_kind"],
                teacher="exact",
                teacher_digest=self._digest,
            ),
            time_ns=np.asarray(clip["frame_pts_ns"], dtype=np.int64) - int(clip["start_ns"]),
            world_T_cam_t44=self._truth[f"{clip_id}.world_T_cam_t44"],
            K_33=self._truth[f"{clip_id}.K_t33"][0],
            region_ids=tuple(region_ids),
            world_T_obj_kt44=poses_kt44[[int(o["k"]) for o in objects]],
            size_m_k3=np.array([[o[f"size_{a}_m"] for a in "xyz"] for o in objects]).reshape(-1, 3),
            visible_kt=np.asarray(masks_kthw.any(axis=(2, 3))),
            names=tuple(str(o["name"]) for o in objects),
            absent_name=self._absent_name(clip_id),
        )

    def _absent_name(self, clip_id: str) -> str | None:
        """A colour that no object of the clip has, of a shape: names of the absent are as usual."""
        present = {row["colour"] for (clip, _), row in self._objects.items() if clip == clip_id}
        absent = [colour for colour in self._colours if colour not in present]
        if not absent:
            return None
        rng = np.random.default_rng(seed_for(clip_id, "absent name"))
        return f"{rng.choice(absent)} {rng.choice(self._shapes)}"


def _exact_digest(labels: Path) -> str:
    """Digest of the passthrough teacher where the labels name it; truth needs no other."""
    index = labels / "index.parquet"
    if index.is_file():
        rows = read_table(index).filter(pl.col("teacher") == "exact")
        if rows.height:
            return str(rows["teacher_digest"].sort()[0])
    return "truth"


def scene_facts(scene: Scene, params: FactsParams) -> Iterator[Fact]:
    """Everything measured of one scene. Metres only where the scale is metric."""
    last = len(scene.time_ns) - 1
    yield _marked_count(scene)
    for frame in instants(len(scene.time_ns)):
        yield from _instant(scene, frame)
        yield from order_facts(scene, frame)
    if scene.metric:
        for k, region_id in enumerate(scene.region_ids):
            yield quantity(
                scene.source, "size_longest", scene.size_m_k3[k].max(), POSITION_SIGMA_M + 0.01,
                unit="m", frame="object", method="largest full extent of the object's box",
                region_ids=[region_id], span_ns=scene.span(0, last),
            )  # fmt: skip
    for begin, end in spans(len(scene.time_ns)):
        moving = []
        for k in range(len(scene.region_ids)):
            facts = list(_movement(scene, k, begin, end, params))
            moving += [fact for fact in facts if fact.kind == "moving"]
            yield from facts
        yield count_moving(scene.source, moving, scene.span(begin, end))
        yield from _camera(scene, begin, end, params)
        yield from course_facts(scene, begin, end, moving, params)
        yield from premise_facts(scene, begin, end)
    yield from identity_facts(scene)
    if scene.metric:
        yield from when_facts(scene, instants(len(scene.time_ns)))


def instants(frames: int) -> list[int]:
    """Frames that questions ask about: first, last and two between, so that four can be offered."""
    return list(dict.fromkeys(round(i * (frames - 1) / 3) for i in range(4)))


def spans(frames: int) -> list[tuple[int, int]]:
    """Frame pairs that questions ask about: the whole clip and its two halves."""
    middle = frames // 2
    whole = (0, frames - 1)
    return list(dict.fromkeys([whole, (0, middle), (frames - 1 - middle, frames - 1)]))


def count_moving(source: Source, moving: Sequence[Fact], span_ns: tuple[int, int]) -> Fact:
    """How many of the judged regions move; as uncertain as the least certain of them."""
    return quantity(
        source,
        "moving_count",
        sum(fact.value for fact in moving),
        max((fact.sigma for fact in moving), default=0.0),
        unit="count",
        frame="world",
        method="sum of `moving` over the marked regions",
        region_ids=[fact.region_ids[0] for fact in moving],
        span_ns=span_ns,
    )


def _marked_count(scene: Scene) -> Fact:
    return quantity(
        scene.source, "marked_count", len(scene.region_ids), 0.0, unit="count",
        frame="camera_first", method="regions that carry a mark", region_ids=scene.region_ids,
        span_ns=scene.span(0, 0),
    )  # fmt: skip


def _instant(scene: Scene, frame: int) -> Iterator[Fact]:
    """Where things are at one frame, in that frame's camera."""
    at = scene.span(frame, frame)
    cam_T_world = inverse(scene.world_T_cam_t44[frame])
    seen = [k for k in range(len(scene.region_ids)) if scene.visible_kt[k, frame]]
    world_m = {k: scene.centre_m_kt3[k, frame] for k in seen}
    camera_m = {k: transform(cam_T_world, world_m[k]) for k in seen}
    sigma_m = {k: scene.position_sigma_m(world_m[k], frame) for k in seen}
    range_m = {k: float(np.linalg.norm(camera_m[k])) for k in seen}
    for k in seen:
        if not scene.metric:
            break
        for axis, kind in enumerate(("position_right", "position_down", "position_ahead")):
            yield quantity(
                scene.source, kind, camera_m[k][axis], sigma_m[k], unit="m", frame="camera_at",
                method="centre of the object's box", region_ids=[scene.region_ids[k]], span_ns=at,
            )  # fmt: skip
        yield quantity(
            scene.source, "distance_to_camera", range_m[k], sigma_m[k], unit="m",
            frame="camera_at", method="centre of the object's box to camera centre",
            region_ids=[scene.region_ids[k]], span_ns=at,
        )  # fmt: skip
    for a, b in permutations(seen, 2):
        pair, sigma = [scene.region_ids[a], scene.region_ids[b]], np.hypot(sigma_m[a], sigma_m[b])
        if scene.metric and a < b:
            yield quantity(
                scene.source, "distance", float(np.linalg.norm(world_m[a] - world_m[b])), sigma,
                unit="m", frame="world", method="between the centres of the boxes", region_ids=pair,
                span_ns=at,
            )  # fmt: skip
        yield word(
            scene.source, "depth_order", DEPTHS[int(range_m[a] > range_m[b])],
            abs(range_m[a] - range_m[b]) / sigma, DEPTHS, frame="camera_at",
            method="range of the centres", region_ids=pair, span_ns=at,
        )  # fmt: skip
        # Left in metres and left in the picture can disagree; then nobody should be asked.
        offset_m = camera_m[a][0] - camera_m[b][0]
        bearing_rad = np.arctan2(camera_m[a][0], camera_m[a][2])
        bearing_rad -= np.arctan2(camera_m[b][0], camera_m[b][2])
        agree = offset_m * bearing_rad > 0
        margin = min(abs(offset_m) / sigma, abs(bearing_rad) / HEADING_SIGMA_RAD) if agree else 0.0
        yield word(
            scene.source, "side", SIDES[int(bearing_rad > 0)], margin, SIDES, frame="camera_at",
            method="camera x and bearing of the centres agree", region_ids=pair, span_ns=at,
        )  # fmt: skip


def _movement(scene: Scene, k: int, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """How one object moves between two frames."""
    span_ns, region = scene.span(begin, end), [scene.region_ids[k]]
    path_m_t3 = scene.centre_m_kt3[k, begin : end + 1]
    moved_m_3 = path_m_t3[-1] - path_m_t3[0]
    path_m = float(np.linalg.norm(np.diff(path_m_t3, axis=0), axis=1).sum())
    extent_m = float(np.linalg.norm(path_m_t3 - path_m_t3[0], axis=1).max())
    place_sigma_m = scene.position_sigma_m(path_m_t3[0], begin)
    sigma_m = float(np.sqrt(2)) * place_sigma_m
    right_m, up_m, ahead_m = scene.level_axes() @ moved_m_3
    if scene.metric:
        displacement_m = float(np.linalg.norm(moved_m_3))
        way_sigma_m = path_sigma_m(path_m_t3, place_sigma_m)
        numbers = [
            ("displacement", displacement_m, length_sigma(displacement_m, sigma_m), "world"),
            ("displacement_right", right_m, sigma_m, "camera_first"),
            ("displacement_up", up_m, sigma_m, "camera_first"),
            ("displacement_ahead", ahead_m, sigma_m, "camera_first"),
            ("path_length", path_m, way_sigma_m, "world"),
        ]
        for kind, value, error_m, frame in numbers:
            yield quantity(
                scene.source, kind, value, error_m, unit="m", frame=frame,
                method="centre of the object's box", region_ids=region, span_ns=span_ns,
            )  # fmt: skip
        seconds = (span_ns[1] - span_ns[0]) * 1e-9
        yield quantity(
            scene.source, "mean_speed", path_m / seconds, way_sigma_m / seconds,
            unit="m/s", frame="world", method="path length over time", region_ids=region,
            span_ns=span_ns,
        )  # fmt: skip
    moves_margin = beyond(extent_m, params.moving_threshold_m, sigma_m, scene.rest_sigma_m)
    turn = turn_of(scene.world_T_obj_kt44[k, begin : end + 1, :3, :3])
    turns_margin = (turn.total_rad - params.turning_threshold_rad) / TURN_SIGMA_RAD
    surely_moving, surely_still = max(moves_margin, turns_margin), -max(moves_margin, turns_margin)
    yield word(
        scene.source, "moving", MOTION[int(surely_moving > 0)], max(surely_moving, surely_still),
        MOTION, frame="world", method="changes place or turns, beyond the thresholds",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    straight = path_m * MIN_STRAIGHTNESS <= float(np.linalg.norm(moved_m_3))
    yield from _direction(
        scene, region, span_ns, np.array([right_m, up_m, ahead_m]), moves_margin, straight
    )
    yield from _picture_direction(scene, k, begin, end, moves_margin, straight)
    yield quantity(
        scene.source, "turn_vertical", turn.vertical_rad, TURN_SIGMA_RAD, unit="rad",
        frame="world", method="positive is counter-clockwise seen from above", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    yield quantity(
        scene.source, "turn_total", turn.total_rad, turn.total_sigma_rad, unit="rad",
        frame="world", method="sum of the angles between frames", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    text, margin = _sense(turn, params.turning_threshold_rad)
    yield word(
        scene.source, "rotation", text, margin, ROTATIONS, frame="world",
        method="sense about the vertical, seen from above", region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _direction(
    scene: Scene,
    region: Sequence[str],
    span_ns: tuple[int, int],
    moved_m_3: np.ndarray,
    moves_margin: float,
    straight: bool,
) -> Iterator[Fact]:
    """The one of six level directions nearest to a movement, or none."""
    text, margin = STAYS, -moves_margin
    if moves_margin > 0:
        axis, sign, heading_margin = dominant(moved_m_3)
        text = (("left", "right"), ("down", "up"), ("towards the camera", "away from the camera"))[
            axis
        ][int(sign > 0)]
        margin = min(moves_margin, heading_margin) if straight else 0.0
    yield word(
        scene.source, "direction", text, margin, DIRECTIONS, frame="camera_first",
        method="level axes of the first camera", region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _picture_direction(
    scene: Scene, k: int, begin: int, end: int, moves_margin: float, straight: bool
) -> Iterator[Fact]:
    """Direction in the picture as a camera at rest would see it: both places in one camera."""
    places_m = scene.centre_m_kt3[k, [begin, end]]
    uv_px, z_m = project(places_m, scene.K_33, scene.world_T_cam_t44[begin])
    if not (z_m > 0).all():
        return
    moved_px = uv_px[1] - uv_px[0]
    text, margin = STAYS, -moves_margin
    if moves_margin > 0:
        text, margin = picture_direction(moved_px, sigma_px=1.0)
        margin = min(moves_margin, margin) if straight else 0.0
    yield word(
        scene.source, "picture_direction", text, margin, PICTURE_DIRECTIONS, frame="camera_first",
        method="projected into the camera at the start", region_ids=[scene.region_ids[k]],
        span_ns=scene.span(begin, end),
    )  # fmt: skip


def picture_direction(
    moved_px_2: np.ndarray, sigma_px: float, heading_sigma_rad: float = HEADING_SIGMA_RAD
) -> tuple[str, float]:
    """The nearest of left, right, up, down and its margin; v of a picture points down."""
    axis, sign, heading_margin = dominant(moved_px_2)
    heading_margin *= HEADING_SIGMA_RAD / heading_sigma_rad
    text = (("left", "right"), ("up", "down"))[axis][int(sign > 0)]
    length_px = float(np.linalg.norm(moved_px_2))
    # Short movements fix their heading badly.
    return text, min(heading_margin, (length_px - LEAST_MOVEMENT_PX) / sigma_px)


def _sense(turn: Turn, threshold_rad: float) -> tuple[str, float]:
    """Word for a rotation and its margin; a mixture of spin and tumble has none."""
    if turn.largest_step_rad > MAX_STEP_RAD:
        return NOT_ROTATING, 0.0
    enough = (turn.total_rad - threshold_rad) / TURN_SIGMA_RAD
    if enough <= 0:
        return NOT_ROTATING, -enough
    tilt_rad = float(np.arctan2(turn.level_rad, abs(turn.vertical_rad)))
    # Within 25 degrees of the vertical axis it spins, within 25 of level it tumbles.
    border_rad = np.deg2rad(25.0)
    if tilt_rad < np.pi / 4:
        text = COUNTER_CLOCKWISE if turn.vertical_rad > 0 else CLOCKWISE
        return text, min(enough, (border_rad - tilt_rad) / TURN_SIGMA_RAD)
    return TUMBLES, min(enough, (tilt_rad - (np.pi / 2 - border_rad)) / TURN_SIGMA_RAD)


def _camera(scene: Scene, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """How the camera itself moves, along the level axes of the first frame."""
    span_ns = scene.span(begin, end)
    path_m_t3 = scene.world_T_cam_t44[begin : end + 1, :3, 3]
    moved_m_3 = path_m_t3[-1] - path_m_t3[0]
    extent_m = float(np.linalg.norm(path_m_t3 - path_m_t3[0], axis=1).max())
    path_m = float(np.linalg.norm(np.diff(path_m_t3, axis=0), axis=1).sum())
    sigma_m = 2 * POSITION_SIGMA_M
    if scene.metric:
        yield quantity(
            scene.source, "camera_displacement", float(np.linalg.norm(moved_m_3)), sigma_m,
            unit="m", frame="world", method="camera centre", span_ns=span_ns,
        )  # fmt: skip
    moves_margin = beyond(extent_m, params.moving_threshold_m, sigma_m, sigma_m)
    text, margin = STEADY, -moves_margin
    if moves_margin > 0:
        axis, sign, heading_margin = dominant(scene.level_axes() @ moved_m_3)
        text = (("left", "right"), ("down", "up"), ("backward", "forward"))[axis][int(sign > 0)]
        straight = path_m * MIN_STRAIGHTNESS <= float(np.linalg.norm(moved_m_3))
        margin = min(moves_margin, heading_margin) if straight else 0.0
    yield word(
        scene.source, "camera_direction", text, margin, CAMERA_DIRECTIONS, frame="camera_first",
        method="camera centre along level axes", span_ns=span_ns,
    )  # fmt: skip
