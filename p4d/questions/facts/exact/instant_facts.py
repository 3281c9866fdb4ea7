"""Facts of one instant: positions, distances and orders, in the camera of that instant.

`side` is certain only if left in metres and left in the image agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.exact.comparison_facts import (
    MARKS_TO_CHOOSE_FROM,
    extreme_fact,
    rank_fact,
)
from p4d.questions.facts.picture_facts import picture_facts
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import HEADING_SIGMA_RAD
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import DEPTHS, HEIGHTS, OBJECTS, SIDES
from p4d.questions.wording import seconds


@dataclass(frozen=True)
class _View:
    """The visible objects at one instant, by their index in the scene.

    Attributes:
        scene: the geometry.
        frame: the instant.
        at: its time, twice.
        camera_m: centres in the camera, [3] each.
        height_m: of the centres in the world.
        sigma_m: errors of the centres.
        range_m: distances from the camera.
        bearing_rad: angles to the right of the optical axis.
    """

    scene: Scene
    frame: int
    at: tuple[int, int]
    camera_m: dict[int, list[float]]
    height_m: dict[int, float]
    sigma_m: dict[int, float]
    range_m: dict[int, float]
    bearing_rad: dict[int, float]

    def ids(self, *objects: int) -> list[str]:
        return [self.scene.region_ids[k] for k in objects]

    def both_m(self, a: int, b: int) -> float:
        """Error of the difference of two centres."""
        return math.hypot(self.sigma_m[a], self.sigma_m[b])


def _view(scene: Scene, frame: int) -> _View:
    seen = np.flatnonzero(scene.visible_kt[:, frame]).tolist()
    camera_m: dict[int, list[float]] = {k: scene.camera_m_kt3[k, frame].tolist() for k in seen}
    return _View(
        scene=scene,
        frame=frame,
        at=scene.span(frame, frame),
        camera_m=camera_m,
        height_m={k: float(scene.centre_m_kt3[k, frame, 2]) for k in seen},
        sigma_m={k: scene.position_sigma_m(k, frame) for k in seen},
        range_m={k: math.hypot(*place) for k, place in camera_m.items()},
        bearing_rad={k: math.atan2(place[0], place[2]) for k, place in camera_m.items()},
    )


def instant_facts(scene: Scene, frame: int) -> Iterator[Fact]:
    """Yield all facts of one frame. Ranks need every marked object in view."""
    view = _view(scene, frame)
    if scene.metric:
        yield from _places(view)
    for a, b in permutations(view.camera_m, 2):
        yield from _orders(view, a, b)
    centre_px = {k: scene.pixel_kt2[k, frame] for k in view.camera_m}
    size_px_2 = 2 * scene.K_33[:2, 2]
    yield from picture_facts(scene.source, scene.region_ids, centre_px, size_px_2, view.at)
    if len(view.camera_m) == len(scene.region_ids):
        yield from _ranks(view)


def _places(view: _View) -> Iterator[Fact]:
    """Positions and distances, in metres."""
    source = view.scene.source
    for k, camera_m_3 in view.camera_m.items():
        for axis, kind in enumerate(("position_right", "position_down", "position_ahead")):
            yield quantity(
                source, kind, camera_m_3[axis], view.sigma_m[k], unit="m", frame="camera_at",
                method="centre of the object's box", region_ids=view.ids(k), span_ns=view.at,
            )  # fmt: skip
        yield quantity(
            source, "distance_to_camera", view.range_m[k], view.sigma_m[k], unit="m",
            frame="camera_at", method="centre of the object's box to camera centre",
            region_ids=view.ids(k), span_ns=view.at,
        )  # fmt: skip
    centre_m_k3 = view.scene.centre_m_kt3[:, view.frame].tolist()
    for a, b in combinations(view.camera_m, 2):
        yield quantity(
            source, "distance", math.dist(centre_m_k3[a], centre_m_k3[b]),
            view.both_m(a, b), unit="m", frame="world",
            method="between the centres of the boxes", region_ids=view.ids(a, b), span_ns=view.at,
        )  # fmt: skip


def _orders(view: _View, a: int, b: int) -> Iterator[Fact]:
    """Where one object is relative to another: nearer, left, higher."""
    source, pair = view.scene.source, view.ids(a, b)
    sigma_m = view.both_m(a, b)
    farther_m = view.range_m[a] - view.range_m[b]
    yield word(
        source, "depth_order", DEPTHS[int(farther_m > 0)], abs(farther_m) / sigma_m, DEPTHS,
        frame="camera_at", method="range of the centres", region_ids=pair, span_ns=view.at,
    )  # fmt: skip
    # Left in metres and left in the image can disagree; then the word is not certain.
    right_m = view.camera_m[a][0] - view.camera_m[b][0]
    right_rad = view.bearing_rad[a] - view.bearing_rad[b]
    agree = right_m * right_rad > 0
    margin = min(abs(right_m) / sigma_m, abs(right_rad) / HEADING_SIGMA_RAD) if agree else 0.0
    yield word(
        source, "side", SIDES[int(right_rad > 0)], margin, SIDES, frame="camera_at",
        method="camera x and bearing of the centres agree", region_ids=pair, span_ns=view.at,
    )  # fmt: skip
    higher_m = view.height_m[a] - view.height_m[b]
    yield word(
        source, "height_order", HEIGHTS[int(higher_m < 0)], abs(higher_m) / sigma_m, HEIGHTS,
        frame="world", method="heights of the centres of the boxes", region_ids=pair,
        span_ns=view.at,
    )  # fmt: skip


def _ranks(view: _View) -> Iterator[Fact]:
    """How many objects are nearer or farther left, and which are extremes."""
    scene, objects = view.scene, list(view.camera_m)
    for k in objects:
        others = [o for o in objects if o != k]
        nearer = [(view.range_m[k] - view.range_m[o]) / view.both_m(k, o) for o in others]
        yield rank_fact(
            scene, "nearer_count", k, nearer, view.at, frame="camera_at",
            method="marked objects with a smaller range than this one",
        )  # fmt: skip
        left = [(view.bearing_rad[k] - view.bearing_rad[o]) / HEADING_SIGMA_RAD for o in others]
        yield rank_fact(
            scene, "left_count", k, left, view.at, frame="camera_at",
            method="marked objects with a bearing to the left of this one",
        )  # fmt: skip
    if len(objects) == MARKS_TO_CHOOSE_FROM:
        sigmas = [view.sigma_m[k] for k in objects]
        for kind, sign in (("nearest", 1.0), ("farthest", -1.0)):
            yield extreme_fact(
                scene, kind, [sign * view.range_m[k] for k in objects], sigmas, view.at,
                frame="camera_at", method="ranges of the centres of the boxes",
            )  # fmt: skip
        if scene.metric:
            yield from _who_is_there(view)


def _who_is_there(view: _View) -> Iterator[Fact]:
    """That object k, and no other, is at the place of object k."""
    for k in view.camera_m:
        gaps = [
            math.dist(view.camera_m[k], view.camera_m[o]) / view.both_m(k, o)
            for o in view.camera_m
            if o != k
        ]
        yield word(
            view.scene.source, "who_is_there", OBJECTS[k], min(gaps), OBJECTS, frame="camera_at",
            method="nearest centre to the centre of this one", region_ids=view.ids(k),
            span_ns=view.at,
        )  # fmt: skip


def when_facts(scene: Scene, frames: Sequence[int], params: FactsParams) -> Iterator[Fact]:
    """Yield at which of the instants an object is where it is then, in the camera of that instant.

    An object that is not visible at all instants is left out. The instants are the options, so all
    of them must lie apart as far as an eye can tell.
    """
    words = tuple(f"at {seconds(int(scene.named_ns[frame]))} sec" for frame in frames)
    gaps_s = np.diff([int(scene.named_ns[frame]) for frame in frames]) * 1e-9
    if len(set(words)) < len(words) or (gaps_s < params.least_instant_gap_s).any():
        return
    for k, region_id in enumerate(scene.region_ids):
        if not all(scene.visible_kt[k, frame] for frame in frames):
            continue
        places = scene.camera_m_kt3[k, list(frames)].tolist()
        sigmas = [scene.position_sigma_m(k, f) for f in frames]
        for i, frame in enumerate(frames):
            gaps = [
                math.dist(places[i], places[j]) / math.hypot(sigmas[i], sigmas[j])
                for j in range(len(frames))
                if j != i
            ]
            yield word(
                scene.source, "when_there", words[i], min(gaps, default=0.0), words,
                frame="camera_at", method="nearest of its places at the instants",
                region_ids=[region_id], span_ns=scene.span(frame, frame),
            )  # fmt: skip
