"""Facts of one instant that compare marked objects: orders, ranks, sides in the picture, names.

A rank is as certain as the closest of its comparisons. Which of the marked objects is an extreme is
said only of pictures with four marks, so that each of four options is in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from p4d.questions.facts.scene import HEADING_SIGMA_RAD, POSITION_SIGMA_M, Scene
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.vocabulary import HEIGHTS, OBJECTS, PICTURE_SIDES, QUADRANTS
from p4d.questions.wording import seconds

PICTURE_SIGMA_PX = 1.0  # of a centre that a person reads off a picture
MARKS_TO_CHOOSE_FROM = 4


def order_facts(scene: Scene, frame: int) -> Iterator[Fact]:
    """Everything of this module that holds at one frame."""
    at, count = scene.span(frame, frame), len(scene.region_ids)
    seen = [k for k in range(count) if scene.visible_kt[k, frame]]
    here = {k: scene.where(k, frame) for k in seen}
    sigma_m = {k: scene.position_sigma_m(scene.centre_m_kt3[k, frame], frame) for k in seen}
    range_m = {k: float(np.linalg.norm(here[k])) for k in seen}
    yield from _heights(scene, frame, seen, sigma_m)
    centre_px = {k: scene.pixel(k, frame) for k in seen}
    yield from picture_facts(scene.source, scene.region_ids, centre_px, 2 * scene.K_33[:2, 2], at)
    if len(seen) < count:
        return
    for k in seen:
        others = [o for o in seen if o != k]
        nearer = [(range_m[k] - range_m[o]) / np.hypot(sigma_m[k], sigma_m[o]) for o in others]
        yield rank_fact(
            scene, "nearer_count", k, nearer, at, frame="camera_at",
            method="marked objects with a smaller range than this one",
        )  # fmt: skip
        bearing_rad = {o: float(np.arctan2(here[o][0], here[o][2])) for o in seen}
        left = [(bearing_rad[k] - bearing_rad[o]) / HEADING_SIGMA_RAD for o in others]
        yield rank_fact(
            scene, "left_count", k, left, at, frame="camera_at",
            method="marked objects with a bearing to the left of this one",
        )  # fmt: skip
    if count == MARKS_TO_CHOOSE_FROM:
        sigmas = [sigma_m[k] for k in seen]
        ranges = [range_m[k] for k in seen]
        for kind, sign in (("nearest", 1.0), ("farthest", -1.0)):
            yield extreme_fact(
                scene, kind, [sign * r for r in ranges], sigmas, at, frame="camera_at",
                method="ranges of the centres of the boxes",
            )  # fmt: skip
        if scene.metric:
            yield from _who_is_there(scene, here, sigma_m, at)


def picture_facts(
    source: Source,
    region_ids: Sequence[str],
    centre_px: Mapping[int, np.ndarray],
    size_px_2: np.ndarray,
    at: tuple[int, int],
    sigma_px: float = PICTURE_SIGMA_PX,
) -> Iterator[Fact]:
    """Quadrants and sides in the picture; the same for exact and for measured centres.

    Args:
        source: who measured (`fact_table.Source`).
        region_ids: regions in mark order.
        centre_px: (u, v) of each seen region, by its place in `region_ids`.
        size_px_2: width and height of the picture.
        at: the instant, twice.
        sigma_px: error of a centre.

    """
    for k, uv_px in centre_px.items():
        off_px = uv_px - size_px_2 / 2
        yield word(
            source, "quadrant", QUADRANTS[2 * int(off_px[1] > 0) + int(off_px[0] > 0)],
            float(np.abs(off_px).min()) / sigma_px, QUADRANTS, frame="picture",
            method="centre against the middle of the picture", region_ids=[region_ids[k]],
            span_ns=at,
        )  # fmt: skip
    for a, b in combinations(sorted(centre_px), 2):
        for one, other in ((a, b), (b, a)):
            off_px = centre_px[one] - centre_px[other]
            yield word(
                source, "picture_side", PICTURE_SIDES[2 * int(off_px[1] > 0) + int(off_px[0] > 0)],
                float(np.abs(off_px).min()) / (2**0.5 * sigma_px), PICTURE_SIDES,
                frame="picture", method="centres in the picture",
                region_ids=[region_ids[one], region_ids[other]], span_ns=at,
            )  # fmt: skip


def rank_fact(
    scene: Scene,
    kind: str,
    k: int,
    ahead: Sequence[float],
    span_ns: tuple[int, int],
    *,
    frame: str,
    method: str,
) -> Fact:
    """How many others come before object `k`; `ahead` is positive for those, in sigmas."""
    margin = min((abs(value) for value in ahead), default=0.0)
    return quantity(
        scene.source, kind, sum(value > 0 for value in ahead), 1.0 / max(margin, 1e-6),
        unit="count", frame=frame, method=method, region_ids=[scene.region_ids[k]],
        span_ns=span_ns,
    )  # fmt: skip


def extreme_fact(
    scene: Scene,
    kind: str,
    values: Sequence[float],
    sigmas: Sequence[float],
    span_ns: tuple[int, int],
    *,
    frame: str,
    method: str,
) -> Fact:
    """Which object has the least value, as `object k` with the number of its mark."""
    first, second = np.argsort(values, kind="stable")[:2]
    margin = (values[second] - values[first]) / float(np.hypot(sigmas[first], sigmas[second]))
    return word(
        scene.source, kind, OBJECTS[int(first)], margin, OBJECTS, frame=frame,
        method=f"{method}, least of all marked", region_ids=scene.region_ids,
        span_ns=span_ns,
    )  # fmt: skip


def _heights(
    scene: Scene, frame: int, seen: Sequence[int], sigma_m: Mapping[int, float]
) -> Iterator[Fact]:
    for a in seen:
        for b in seen:
            if a == b:
                continue
            higher_m = float(scene.centre_m_kt3[a, frame, 2] - scene.centre_m_kt3[b, frame, 2])
            yield word(
                scene.source, "height_order", HEIGHTS[int(higher_m < 0)],
                abs(higher_m) / float(np.hypot(sigma_m[a], sigma_m[b])), HEIGHTS, frame="world",
                method="heights of the centres of the boxes",
                region_ids=[scene.region_ids[a], scene.region_ids[b]],
                span_ns=scene.span(frame, frame),
            )  # fmt: skip


def _who_is_there(
    scene: Scene,
    here: Mapping[int, np.ndarray],
    sigma_m: Mapping[int, float],
    at: tuple[int, int],
) -> Iterator[Fact]:
    """That object k, and no other, is at the place of object k."""
    for k, region_id in enumerate(scene.region_ids):
        gaps = [
            float(np.linalg.norm(here[k] - here[o])) / float(np.hypot(sigma_m[k], sigma_m[o]))
            for o in here
            if o != k
        ]
        yield word(
            scene.source, "who_is_there", OBJECTS[k], min(gaps), OBJECTS, frame="camera_at",
            method="nearest centre to the centre of this one", region_ids=[region_id], span_ns=at,
        )  # fmt: skip


def identity_facts(scene: Scene) -> Iterator[Fact]:
    """What holds of the whole clip: names, and which object is the largest."""
    whole = scene.span(0, len(scene.time_ns) - 1)
    for region_id, name in zip(scene.region_ids, scene.names, strict=False):
        yield word(
            scene.source, "name", name, 1e6, (name,), frame="object", method="colour and shape",
            region_ids=[region_id], span_ns=whole,
        )  # fmt: skip
    if scene.metric and len(scene.region_ids) == MARKS_TO_CHOOSE_FROM:
        extents_m = scene.size_m_k3.max(axis=1)
        sigmas = [POSITION_SIGMA_M + 0.01] * len(extents_m)
        for kind, sign in (("largest", -1.0), ("smallest", 1.0)):
            yield extreme_fact(
                scene, kind, list(sign * extents_m), sigmas, whole, frame="object",
                method="longest extents",
            )  # fmt: skip


def premise_facts(scene: Scene, begin: int, end: int) -> Iterator[Fact]:
    """What is not there: a name, and the first number that no mark bears."""
    span_ns = scene.span(begin, end)
    if scene.absent_name:
        yield word(
            scene.source, "absent_name", scene.absent_name, 1e6, (scene.absent_name,),
            frame="world", method="names of all objects of the clip, marked or not",
            span_ns=span_ns,
        )  # fmt: skip
    yield absent_mark(scene.source, scene.region_ids, span_ns)


def absent_mark(source: Source, region_ids: Sequence[str], span_ns: tuple[int, int]) -> Fact:
    """The least number that no mark bears."""
    return quantity(
        source, "absent_mark", len(region_ids) + 1, 0.0, unit="count", frame="picture",
        method="one more than there are marks", span_ns=span_ns,
    )  # fmt: skip


def when_facts(scene: Scene, frames: Sequence[int]) -> Iterator[Fact]:
    """At which of the instants an object is where it is then, in the camera of that instant."""
    words = tuple(f"at {seconds(int(scene.time_ns[frame]))} sec" for frame in frames)
    if len(set(words)) < len(words):
        return
    for k, region_id in enumerate(scene.region_ids):
        if not all(scene.visible_kt[k, frame] for frame in frames):
            continue
        places = [scene.where(k, frame) for frame in frames]
        sigmas = [scene.position_sigma_m(scene.centre_m_kt3[k, f], f) for f in frames]
        for i, frame in enumerate(frames):
            gaps = [
                float(np.linalg.norm(places[i] - places[j])) / float(np.hypot(sigmas[i], sigmas[j]))
                for j in range(len(frames))
                if j != i
            ]
            yield word(
                scene.source, "when_there", words[i], min(gaps, default=0.0), words,
                frame="camera_at", method="nearest of its places at the instants",
                region_ids=[region_id], span_ns=scene.span(frame, frame),
            )  # fmt: skip
