"""Facts of an interval: how distances and speeds change, the shape of ways, when things move.

Words follow one logic: a change must be seen (half a pixel at the object's distance), constancy
must be measured (the errors of poses). Between the two nobody is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.order_facts import MARKS_TO_CHOOSE_FROM, extreme_fact, rank_fact
from p4d.questions.facts.scene import (
    HALF_PIXEL,
    HEADING_SIGMA_RAD,
    LEAST_MOVEMENT_PX,
    MAX_STEP_RAD,
    MIN_STRAIGHTNESS,
    POSITION_SIGMA_M,
    TURN_SIGMA_RAD,
    Scene,
    beyond,
    dominant,
    path_sigma_m,
    turn_of,
)
from p4d.questions.facts.table import Fact, quantity, word
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    BOTH,
    CAMERA_TURNS,
    COURSES,
    FORMER,
    KEEP_MOVING,
    LATTER,
    NEITHER,
    NEVER_MOVE,
    NOT_ROTATING,
    OWN_SIDES,
    PAIR,
    PICTURE_DIRECTIONS,
    RESTS,
    RETURNS,
    RISES,
    SEEN_TURNS,
    SPEED_CHANGES,
    STAYS,
    STEADY_VIEW,
    STRAIGHT,
    TRENDS,
    WAYS,
)

STEP_M = 0.02  # between two frames: more is movement, less than a quarter of it is rest
LEAST_SPEED_CHANGE_M_S = 0.05
LEAST_CAMERA_TURN_RAD = 0.05
LEAST_BEND_M = 0.04  # off the straight line
STEADY_AXIS = 0.95  # of all turning that one axis must account for
# An instant between two frames is known to their distance over the square root of twelve.
ONSET_SIGMA_STEPS = (2.0 / 12.0) ** 0.5
SAME_SPEED = 0.2  # most difference of two neighbouring speeds, as a share, to have one between them


@dataclass(frozen=True)
class _Way:
    """One object between two frames."""

    k: int
    points_m_t3: np.ndarray
    sigma_m: float  # of one place, as seen
    rest_sigma_m: float  # of two places that are the same
    moves_margin: float  # positive: changes place; negative: stays
    path_m: float
    seconds: float

    @property
    def moved_m_3(self) -> np.ndarray:
        return np.asarray(self.points_m_t3[-1] - self.points_m_t3[0])

    @property
    def steps_m(self) -> np.ndarray:
        return np.asarray(np.linalg.norm(np.diff(self.points_m_t3, axis=0), axis=1))

    @property
    def straight(self) -> bool:
        return self.path_m * MIN_STRAIGHTNESS <= float(np.linalg.norm(self.moved_m_3))

    @property
    def goes(self) -> np.ndarray:
        """Of each step between two frames whether it changes place."""
        return self.steps_m > STEP_M

    @property
    def begins(self) -> _Onset:
        """When it begins to move."""
        return _onset(self.points_m_t3, self.goes, 2**0.5 * self.sigma_m)

    @property
    def ends(self) -> _Onset:
        """When it comes to rest: the same, played backwards."""
        return _onset(self.points_m_t3[::-1], self.goes[::-1], 2**0.5 * self.sigma_m)


@dataclass(frozen=True)
class _Onset:
    """When something begins to move.

    Attributes:
        frame: the first of the movement.
        margin: how surely it rests until then, or moves from the start, in sigmas.
        away_t: distance from the first place at each frame, in sigmas.
    """

    frame: int
    margin: float
    away_t: np.ndarray


def _onset(points_m_t3: np.ndarray, goes: np.ndarray, sigma_m: float) -> _Onset:
    """The onset of a way, given which of its steps change place.

    What moves from the start must be seen to in its first step; what rests at first would have been
    seen elsewhere by then, had it gone the same way evenly from the start.
    """
    away_t = np.linalg.norm(points_m_t3 - points_m_t3[0], axis=1) / sigma_m
    frame = int(np.argmax(goes))
    rests_again = frame + int(np.argmin(np.append(goes[frame:], False)))
    margin = away_t[1] if frame == 0 else away_t[rests_again] * frame / rests_again
    return _Onset(frame, float(margin), away_t)


def course_facts(
    scene: Scene, begin: int, end: int, moving: Sequence[Fact], params: FactsParams
) -> Iterator[Fact]:
    """Everything of this module between two frames; `moving` are the facts of that kind."""
    ways = [_way(scene, k, begin, end, params) for k in range(len(scene.region_ids))]
    for way in ways:
        yield from _one(scene, way, begin, end, params)
    for one, other in combinations(ways, 2):
        yield from _two(scene, one, other, begin, end, params)
    yield from _all(scene, ways, moving, begin, end, params)
    yield from _camera_course(scene, begin, end, params)


def _way(scene: Scene, k: int, begin: int, end: int, params: FactsParams) -> _Way:
    points_m_t3 = scene.centre_m_kt3[k, begin : end + 1]
    sigma_m = scene.position_sigma_m(points_m_t3[0], begin)
    extent_m = float(np.linalg.norm(points_m_t3 - points_m_t3[0], axis=1).max())
    start_ns, end_ns = scene.span(begin, end)
    return _Way(
        k=k,
        points_m_t3=points_m_t3,
        sigma_m=sigma_m,
        rest_sigma_m=scene.rest_sigma_m,
        moves_margin=beyond(
            extent_m, params.moving_threshold_m, 2**0.5 * sigma_m, scene.rest_sigma_m
        ),
        path_m=float(np.linalg.norm(np.diff(points_m_t3, axis=0), axis=1).sum()),
        seconds=(end_ns - start_ns) * 1e-9,
    )


def _one(scene: Scene, way: _Way, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    span_ns, region = scene.span(begin, end), [scene.region_ids[way.k]]
    text, margin = _trend(
        scene.range_m(way.k, begin, end),
        params.moving_threshold_m,
        2**0.5 * way.sigma_m,
        way.rest_sigma_m,
    )
    yield word(
        scene.source, "range_trend", text, margin, TRENDS, frame="camera_at",
        method="distance to the camera at each frame", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    yield from _screen_direction(scene, way, begin, end)
    text, margin = _speed_change(way)
    yield word(
        scene.source, "speed_change", text, margin, SPEED_CHANGES, frame="world",
        method="path lengths of the two halves over their times", region_ids=region,
        span_ns=span_ns,
    )  # fmt: skip
    text, margin = _course(way)
    yield word(
        scene.source, "course", text, margin, COURSES, frame="world",
        method="steps between frames that change place", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    text, margin = _shape(way)
    yield word(
        scene.source, "way", text, margin, WAYS, frame="object",
        method="farthest place off the straight line", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    if scene.metric:
        yield from _rates(scene, way, begin, end)
    yield from _turning(scene, way.k, begin, end, params)
    yield from _sides_seen(scene, way, begin, end)


def _trend(
    values: np.ndarray, threshold: float, visible_sigma: float, rest_sigma: float
) -> tuple[str, float]:
    """How a distance goes: the word of TRENDS and its margin."""
    fall, climb = values[0] - values.min(), values.max() - values[0]
    rise_after, fall_after = values[-1] - values.min(), values.max() - values[-1]

    def is_seen(change: float) -> float:
        return float(change - threshold) / visible_sigma

    def is_none(change: float) -> float:
        return float(threshold - change) / rest_sigma

    margins = (
        min(is_seen(fall), is_none(climb), is_none(rise_after)),
        min(is_seen(climb), is_none(fall), is_none(fall_after)),
        min(is_seen(fall), is_seen(rise_after), is_none(climb)),
        min(is_seen(climb), is_seen(fall_after), is_none(fall)),
        min(is_none(fall), is_none(climb)),
    )
    best = int(np.argmax(margins))
    return TRENDS[best], margins[best]


def _screen_direction(scene: Scene, way: _Way, begin: int, end: int) -> Iterator[Fact]:
    """Where it goes in the picture, whatever moves: the object, the camera or both."""
    if not (scene.visible_kt[way.k, begin] and scene.visible_kt[way.k, end]):
        return
    places_px = np.array([scene.pixel(way.k, frame) for frame in range(begin, end + 1)])
    text, margin = screen_direction(places_px)
    yield word(
        scene.source, "screen_direction", text, margin, PICTURE_DIRECTIONS, frame="picture",
        method="places in the pictures of both frames", region_ids=[scene.region_ids[way.k]],
        span_ns=scene.span(begin, end),
    )  # fmt: skip


def screen_direction(places_px_t2: np.ndarray, sigma_px: float = HALF_PIXEL) -> tuple[str, float]:
    """The word for a way through the picture, [T, 2] (u, v), and its margin."""
    moved_px = places_px_t2[-1] - places_px_t2[0]
    length_px = float(np.linalg.norm(moved_px))
    if length_px <= LEAST_MOVEMENT_PX:
        extent_px = float(np.linalg.norm(places_px_t2 - places_px_t2[0], axis=1).max())
        return STAYS, (LEAST_MOVEMENT_PX - extent_px) / sigma_px
    axis, sign, heading_margin = dominant(moved_px)
    path_px = float(np.linalg.norm(np.diff(places_px_t2, axis=0), axis=1).sum())
    straight = path_px * MIN_STRAIGHTNESS <= length_px
    heading_margin /= float(np.hypot(1.0, sigma_px / length_px / HEADING_SIGMA_RAD))
    text = (("left", "right"), ("up", "down"))[axis][int(sign > 0)]
    margin = min(heading_margin, (length_px - LEAST_MOVEMENT_PX) / sigma_px)
    return text, margin if straight else 0.0


def _speed_change(way: _Way) -> tuple[str, float]:
    """Mean speed of the second half against the first."""
    steps_m = way.steps_m
    half = len(steps_m) // 2
    if half < 1 or way.moves_margin <= 0:
        return STAYS, -way.moves_margin
    half_s = way.seconds * half / len(steps_m)
    change_m_s = float(steps_m[len(steps_m) - half :].sum() - steps_m[:half].sum()) / half_s
    if abs(change_m_s) <= LEAST_SPEED_CHANGE_M_S:
        measured_m_s = way.rest_sigma_m / half_s
        margin = (LEAST_SPEED_CHANGE_M_S - abs(change_m_s)) / measured_m_s
        return "keeps its speed", min(way.moves_margin, margin)
    visible_m_s = 2 * way.sigma_m / half_s
    margin = (abs(change_m_s) - LEAST_SPEED_CHANGE_M_S) / visible_m_s
    return SPEED_CHANGES[int(change_m_s < 0)], min(way.moves_margin, margin)


def _course(way: _Way) -> tuple[str, float]:
    """In which part of the interval it changes place; unknown if it pauses in between."""
    goes = way.goes
    if not goes.any():
        return "rests all the time", -way.moves_margin
    if ((way.steps_m > STEP_M / 4) & ~goes).any():
        return COURSES[0], 0.0  # creeps: neither rest nor movement
    begins, ends = way.begins, way.ends
    if not goes[begins.frame : len(goes) - ends.frame].all():
        return COURSES[0], 0.0
    text = COURSES[2 * int(ends.frame > 0) + int(begins.frame > 0)]
    return text, min(way.moves_margin, begins.margin, ends.margin)


def _shape(way: _Way) -> tuple[str, float]:
    """Straight, bent to one side, back again or up and down."""
    if way.moves_margin <= 0:
        return STAYS, -way.moves_margin
    points = way.points_m_t3 - way.points_m_t3[0]
    length_m = float(np.linalg.norm(points[-1]))
    sigma_m, measured_m = 2**0.5 * way.sigma_m, way.rest_sigma_m
    rise_m = float(points[:, 2].max() - max(0.0, points[-1, 2]))
    if rise_m > LEAST_BEND_M:
        return RISES, min(way.moves_margin, (rise_m - LEAST_BEND_M) / sigma_m)
    if length_m <= LEAST_BEND_M:
        return RETURNS, min(way.moves_margin, (LEAST_BEND_M - length_m) / measured_m)
    ahead = points[-1] / length_m
    along_m = points @ ahead
    off_m = points - along_m[:, None] * ahead
    farthest = int(np.linalg.norm(off_m, axis=1).argmax())
    bend_m = float(np.linalg.norm(off_m[farthest]))
    monotone = bool((np.diff(along_m) > -measured_m).all())
    if bend_m <= LEAST_BEND_M:
        margin = (LEAST_BEND_M - bend_m) / measured_m
        return STRAIGHT, min(way.moves_margin, margin) if monotone else 0.0
    # The way passes its straight line on the outer side: a bend to the left bulges to the right.
    bulge_left = float(np.cross(ahead, off_m[farthest])[2])
    level_m = abs(bulge_left) - abs(float(off_m[farthest, 2]))
    level = abs(bulge_left) > 0.8 * bend_m
    margin = min(bend_m - LEAST_BEND_M, level_m) / sigma_m if level and monotone else 0.0
    margin = min(margin, (LEAST_BEND_M - rise_m) / measured_m)
    return (BENDS_RIGHT if bulge_left > 0 else BENDS_LEFT), min(way.moves_margin, margin)


def _rates(scene: Scene, way: _Way, begin: int, end: int) -> Iterator[Fact]:
    """Speeds at instants, acceleration, and path length as a multiple of the displacement."""
    region, span_ns = [scene.region_ids[way.k]], scene.span(begin, end)
    displacement_m = float(np.linalg.norm(way.moved_m_3))
    if displacement_m > 5 * 2**0.5 * way.sigma_m:
        ratio = way.path_m / displacement_m
        # Of a straight way both err alike, and their ratio does not.
        less_m_3 = ratio * way.moved_m_3 / displacement_m
        ratio_sigma = path_sigma_m(way.points_m_t3, way.sigma_m, less_m_3) / displacement_m
        yield quantity(
            scene.source, "path_ratio", ratio, ratio_sigma, unit="ratio", frame="world",
            method="path length over displacement", region_ids=region,
            span_ns=span_ns,
        )  # fmt: skip
    if begin == 0 and end == len(scene.time_ns) - 1:
        yield from _speeds_at(scene, way)
    steps_m = way.steps_m
    if way.moves_margin <= 0 or len(steps_m) < 4 or displacement_m < 0.97 * way.path_m:
        return
    # Tight conditions: one acceleration all the way, so that the question has one answer.
    time_s = (scene.time_ns[begin : end + 1] - scene.time_ns[begin]) * 1e-9
    along_m = (way.points_m_t3 - way.points_m_t3[0]) @ (way.moved_m_3 / displacement_m)
    design = np.stack([np.ones_like(time_s), time_s, 0.5 * time_s**2], axis=1)
    solution = np.linalg.lstsq(design, along_m, rcond=None)[0]
    if np.abs(design @ solution - along_m).max() > way.rest_sigma_m:
        return
    spread = float(np.linalg.inv(design.T @ design)[2, 2]) ** 0.5
    yield quantity(
        scene.source, "acceleration", solution[2], way.sigma_m * spread, unit="m/s2",
        frame="world", method="parabola through the places along a straight way",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _speeds_at(scene: Scene, way: _Way) -> Iterator[Fact]:
    """Speed at the instants that have a frame on either side, over both steps."""
    last = len(scene.time_ns) - 1
    for frame in (round(last / 3), round(2 * last / 3)):
        if not 0 < frame < last:
            continue
        before_m, after_m = way.steps_m[frame - 1], way.steps_m[frame]
        seconds = float(scene.time_ns[frame + 1] - scene.time_ns[frame - 1]) * 1e-9
        if abs(after_m - before_m) > SAME_SPEED * (after_m + before_m) + way.rest_sigma_m / 2:
            continue  # it changes its speed just then
        yield quantity(
            scene.source, "speed", (before_m + after_m) / seconds,
            path_sigma_m(way.points_m_t3[frame - 1 : frame + 2], way.sigma_m) / seconds,
            unit="m/s", frame="world",
            method="path from the frame before to the frame after, over time",
            region_ids=[scene.region_ids[way.k]], span_ns=scene.span(frame, frame),
        )  # fmt: skip


def _turning(scene: Scene, k: int, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """How a rotation looks from the camera, its angle, and its quarter turns."""
    region, span_ns = [scene.region_ids[k]], scene.span(begin, end)
    turn = turn_of(scene.world_T_obj_kt44[k, begin : end + 1, :3, :3])
    steady = float(np.linalg.norm(turn.sum_rad)) >= STEADY_AXIS * turn.total_rad
    known = turn.largest_step_rad <= MAX_STEP_RAD
    enough = (turn.total_rad - params.turning_threshold_rad) / TURN_SIGMA_RAD
    text, margin = NOT_ROTATING, -enough if known else 0.0
    if enough > 0:
        axis, sign, heading_margin = dominant(_view_axes(scene, k, begin) @ turn.sum_rad)
        # About an axis to the right the near side goes down, about one that points up it goes
        # right, and about one towards the viewer it turns as no clock does.
        text = (SEEN_TURNS[2:4], SEEN_TURNS[0:2], SEEN_TURNS[4:6])[axis][int(sign > 0)]
        margin = min(enough, heading_margin) if known and steady else 0.0
    yield word(
        scene.source, "rotation_seen", text, margin, SEEN_TURNS, frame="camera_at",
        method="axis of the turn against the line of sight", region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    if not known or (enough > 0 and not steady):
        return
    yield quantity(
        scene.source, "turn_angle", turn.total_rad, turn.total_sigma_rad, unit="rad",
        frame="world", method="sum of the angles between frames, about one axis",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip
    quarters, rest = divmod(turn.total_rad, np.pi / 2)
    to_border_rad = min(rest if quarters else np.inf, np.pi / 2 - rest)
    yield quantity(
        scene.source, "quarter_turns", quarters, TURN_SIGMA_RAD / max(to_border_rad, 1e-6),
        unit="count", frame="world", method="whole quarters of the turned angle",
        region_ids=region, span_ns=span_ns,
    )  # fmt: skip


def _view_axes(scene: Scene, k: int, frame: int) -> np.ndarray:
    """Rows right, up and towards the viewer in the world, for one who looks at the object."""
    camera = scene.world_T_cam_t44[frame]
    towards = camera[:3, 3] - scene.centre_m_kt3[k, frame]
    towards = towards / np.linalg.norm(towards)
    up = -camera[:3, 1]
    up = up - (up @ towards) * towards
    up = up / np.linalg.norm(up)
    return np.stack([np.cross(up, towards), up, towards])


def _sides_seen(scene: Scene, way: _Way, begin: int, end: int) -> Iterator[Fact]:
    """Where the others are, at the start, as seen by what moves and faces where it goes."""
    ahead = way.moved_m_3 * (1.0, 1.0, 0.0)
    length_m = float(np.linalg.norm(ahead))
    climbs = abs(way.moved_m_3[2]) > 0.5 * length_m
    if way.moves_margin <= 0 or not way.straight or climbs or length_m < STEP_M:
        return
    ahead = ahead / length_m
    left = np.array([-ahead[1], ahead[0], 0.0])
    heading_sigma_rad = float(np.hypot(HEADING_SIGMA_RAD, 2**0.5 * way.sigma_m / length_m))
    for other, region_id in enumerate(scene.region_ids):
        if other == way.k or not scene.visible_kt[other, begin]:
            continue
        offset_m = scene.centre_m_kt3[other, begin] - way.points_m_t3[0]
        level_m = np.array([offset_m @ ahead, offset_m @ left])
        axis, sign, border_margin = dominant(level_m)
        sigma_rad = np.hypot(heading_sigma_rad, 2**0.5 * way.sigma_m / np.linalg.norm(level_m))
        text = ((OWN_SIDES[1], OWN_SIDES[0]), (OWN_SIDES[3], OWN_SIDES[2]))[axis][int(sign > 0)]
        yield word(
            scene.source, "own_side", text,
            min(way.moves_margin, border_margin * HEADING_SIGMA_RAD / float(sigma_rad)), OWN_SIDES,
            frame="object", method="bearing at the start, from the direction of movement",
            region_ids=[scene.region_ids[way.k], region_id], span_ns=scene.span(begin, end),
        )  # fmt: skip


def _two(
    scene: Scene, one: _Way, other: _Way, begin: int, end: int, params: FactsParams
) -> Iterator[Fact]:
    span_ns, pair = scene.span(begin, end), [scene.region_ids[one.k], scene.region_ids[other.k]]
    gap_m_t = np.linalg.norm(one.points_m_t3 - other.points_m_t3, axis=1)
    sigma_m = 2**0.5 * float(np.hypot(one.sigma_m, other.sigma_m))
    text, margin = _trend(gap_m_t, params.moving_threshold_m, sigma_m, scene.rest_sigma_m)
    yield word(
        scene.source, "gap_trend", text, margin, TRENDS, frame="world",
        method="distance of the centres at each frame", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip
    if scene.metric and begin == 0 and end == len(scene.time_ns) - 1:
        yield quantity(
            scene.source, "least_distance", float(gap_m_t.min()), sigma_m / 2**0.5, unit="m",
            frame="world", method="least distance of the centres at any frame", region_ids=pair,
            span_ns=span_ns,
        )  # fmt: skip
    text, margin = _moves_first(one, other)
    yield word(
        scene.source, "moves_first", text, margin, PAIR, frame="world",
        method="first steps that change place", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip
    text, margin = _rests_first(one, other)
    yield word(
        scene.source, "rests_first", text, margin, RESTS, frame="world",
        method="last steps that change place", region_ids=pair, span_ns=span_ns,
    )  # fmt: skip


def _moves_first(one: _Way, other: _Way) -> tuple[str, float]:
    """Which begins to move first; neighbouring steps are not told apart."""
    sure = min(abs(one.moves_margin), abs(other.moves_margin))
    if not (one.goes.any() and other.goes.any()):
        return FORMER if one.goes.any() else LATTER if other.goes.any() else NEITHER, sure
    first, second = one.begins, other.begins
    if first.frame == second.frame:
        # Only what goes on from the very start is surely simultaneous.
        return BOTH, min(sure, first.margin, second.margin) if first.frame == 0 else 0.0
    return FORMER if first.frame < second.frame else LATTER, min(sure, _apart(first, second))


def _rests_first(one: _Way, other: _Way) -> tuple[str, float]:
    """Which comes to rest first, of two that move or two that do not."""
    sure = min(abs(one.moves_margin), abs(other.moves_margin))
    if not one.goes.any() and not other.goes.any():
        return NEVER_MOVE, sure
    if not (one.goes.any() and other.goes.any()):
        return NEVER_MOVE, 0.0  # what never moved does not come to rest
    last, second = one.ends, other.ends
    if last.frame == second.frame == 0:
        return KEEP_MOVING, min(sure, last.margin, second.margin)
    return FORMER if last.frame > second.frame else LATTER, min(sure, _apart(last, second))


def _apart(one: _Onset, other: _Onset) -> float:
    """How surely one sets off before the other does: it is seen to have, and the other not."""
    early, late = sorted([one, other], key=lambda onset: onset.frame)
    steps = (late.frame - early.frame) / ONSET_SIGMA_STEPS
    return min(steps, late.margin, float(early.away_t[late.frame]))


def _all(
    scene: Scene,
    ways: Sequence[_Way],
    moving: Sequence[Fact],
    begin: int,
    end: int,
    params: FactsParams,
) -> Iterator[Fact]:
    """Counts over all marked objects, over three of them, and extremes of all four."""
    span_ns, count = scene.span(begin, end), len(scene.region_ids)
    if len(moving) != count:
        return
    for trio in combinations(range(count), 3):
        facts = [moving[k] for k in trio]
        yield quantity(
            scene.source, "moving_of_three", sum(fact.value for fact in facts),
            max(fact.sigma for fact in facts), unit="count", frame="world",
            method="sum of `moving`", region_ids=[scene.region_ids[k] for k in trio],
            span_ns=span_ns,
        )  # fmt: skip
    turns = [
        (turn_of(scene.world_T_obj_kt44[k, begin : end + 1, :3, :3]).total_rad
         - params.turning_threshold_rad) / TURN_SIGMA_RAD
        for k in range(count)
    ]  # fmt: skip
    for kind, margins, method in (
        ("turning_count", turns, "angles turned, beyond the threshold"),
        ("going_count", [way.moves_margin for way in ways], "changes of place, beyond it"),
    ):
        least = min((abs(margin) for margin in margins), default=0.0)
        yield quantity(
            scene.source, kind, sum(margin > 0 for margin in margins), 1.0 / max(least, 1e-6),
            unit="count", frame="world", method=method, region_ids=scene.region_ids,
            span_ns=span_ns,
        )  # fmt: skip
    sigmas = [2**0.5 * way.sigma_m for way in ways]
    for way in ways:
        longer = [
            (other.path_m - way.path_m) / float(np.hypot(sigmas[other.k], sigmas[way.k]))
            for other in ways
            if other is not way
        ]
        yield rank_fact(
            scene, "faster_count", way.k, longer, span_ns, frame="world",
            method="marked objects with a longer path in the same time",
        )  # fmt: skip
    if count == MARKS_TO_CHOOSE_FROM:
        yield extreme_fact(
            scene, "fastest", [-way.path_m for way in ways], sigmas, span_ns, frame="world",
            method="negative path lengths in the same time",
        )  # fmt: skip
        closest = [float(scene.range_m(k, begin, end).min()) for k in range(count)]
        yield extreme_fact(
            scene, "comes_closest", closest, sigmas, span_ns, frame="camera_at",
            method="least distances to the camera at any frame",
        )  # fmt: skip


def _camera_course(scene: Scene, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """Where the camera turns to, and how fast it goes."""
    span_ns = scene.span(begin, end)
    poses = scene.world_T_cam_t44[begin : end + 1]
    turn = turn_of(poses[:, :3, :3])
    sigma_rad = 2**0.5 * HALF_PIXEL / float(scene.K_33[0, 0])
    # A turn about the axis to the right tips the view upwards; one about the vertical, clockwise
    # seen from above, takes it to the right.
    upwards_rad = float(poses[0, :3, 0] @ turn.sum_rad)
    axis, sign, heading_margin = dominant(np.array([-turn.sum_rad[2], upwards_rad]))
    enough = (turn.total_rad - LEAST_CAMERA_TURN_RAD) / sigma_rad
    text, margin = STEADY_VIEW, -enough
    if enough > 0:
        text = (CAMERA_TURNS[0:2], (CAMERA_TURNS[3], CAMERA_TURNS[2]))[axis][int(sign > 0)]
        steady = float(np.linalg.norm(turn.sum_rad)) >= STEADY_AXIS * turn.total_rad
        margin = min(enough, heading_margin) if steady else 0.0
    yield word(
        scene.source, "camera_turn", text, margin, CAMERA_TURNS, frame="camera_first",
        method="turn about the vertical against that about the axis to the right", span_ns=span_ns,
    )  # fmt: skip
    if scene.metric:
        path_m = float(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).sum())
        seconds = (span_ns[1] - span_ns[0]) * 1e-9
        yield quantity(
            scene.source, "camera_speed", path_m / seconds, 2 * POSITION_SIGMA_M / seconds,
            unit="m/s", frame="world", method="path of the camera over time", span_ns=span_ns,
        )  # fmt: skip
