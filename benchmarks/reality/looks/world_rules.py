"""What the truth of a look says of kinds that only a truth sidecar gives: metres, turns, ranks.

Rules that compare an object with all others get the objects of all marks, the one itself first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.rules import (
    HEADING_RAD,
    MOVES_M,
    MOVES_RAD,
    STILL_M,
    STILL_RAD,
    Count,
    Number,
    Rule,
    Word,
    moves,
)
from benchmarks.reality.looks.truth import LookTruth
from p4d.questions.facts.vocabulary import (
    CAMERA_DIRECTIONS,
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    HEIGHTS,
    NOT_ROTATING,
    OBJECTS,
    STEADY,
    STEADY_VIEW,
    TRENDS,
)

NEAR_M = 0.01
"""Lengths that differ by less are in either order."""
CONSTANT_M = 0.15
"""A distance that changes by less may be called constant."""
STEADY_M = 0.07
TURN_ROOM_RAD = np.deg2rad(6)


def _level_axes(truth: LookTruth) -> np.ndarray:
    """Right, up and ahead of the first camera, with up vertical, [3, 3]."""
    ahead = truth.world_T_cam_t44[0, :3, 2] * [1, 1, 0]
    ahead = ahead / np.linalg.norm(ahead)
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([np.cross(ahead, up), up, ahead])


def _displacement_along(axis: int) -> Rule:
    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
        moved = truth.centre_m(ks[0], end) - truth.centre_m(ks[0], begin)
        return Number((float(_level_axes(truth)[axis] @ moved),))

    return rule


def _camera_places(truth: LookTruth, begin: int, end: int) -> np.ndarray:
    return np.asarray(truth.world_T_cam_t44[begin : end + 1, :3, 3])


def _camera_displacement(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    del ks
    places = _camera_places(truth, begin, end)
    return Number((float(np.linalg.norm(places[-1] - places[0])),))


def _camera_speed(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    del ks
    path = np.linalg.norm(np.diff(_camera_places(truth, begin, end), axis=0), axis=1).sum()
    return Number((float(path / (truth.at_s_t[end] - truth.at_s_t[begin])),))


def _camera_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del ks
    places = _camera_places(truth, begin, end)
    right, up, ahead = _level_axes(truth) @ (places[-1] - places[0])
    along = dict(zip(CAMERA_DIRECTIONS, (right, -right, ahead, -ahead, up, -up), strict=False))
    length = float(np.linalg.norm([right, up, ahead]))
    extent = float(np.linalg.norm(places - places[0], axis=1).max())

    def holds(word: str | None) -> bool:
        if word == STEADY:
            return extent <= STEADY_M
        return extent >= MOVES_M and along[str(word)] >= length * np.cos(HEADING_RAD)

    return Word(holds)


def _camera_turn(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del ks
    poses = truth.world_T_cam_t44[begin : end + 1, :3, :3]
    steps = Rotation.from_matrix(poses[1:] @ poses[:-1].transpose(0, 2, 1)).as_rotvec()
    total = float(np.linalg.norm(steps, axis=1).sum())
    left, upwards = float(steps.sum(axis=0)[2]), float(poses[0, :, 0] @ steps.sum(axis=0))
    ways = {"to the left": left, "to the right": -left, "upwards": upwards, "downwards": -upwards}

    def holds(word: str | None) -> bool:
        if word == STEADY_VIEW:
            return total <= 0.08
        return ways[str(word)] >= np.hypot(left, upwards) * np.cos(HEADING_RAD) > 0

    return Word(holds)


def _count(of: Callable[[LookTruth, int, int, int], tuple[bool, bool]]) -> Rule:
    """Of some objects, how many; each surely or possibly."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
        states = [of(truth, k, begin, end) for k in ks]
        return Count(sum(surely for surely, _ in states), sum(possibly for _, possibly in states))

    return rule


def _moves(truth: LookTruth, k: int, begin: int, end: int) -> tuple[bool, bool]:
    still, moving = moves(truth, k, begin, end)
    return not still, moving


def _goes(truth: LookTruth, k: int, begin: int, end: int) -> tuple[bool, bool]:
    metres = truth.moved_m(k, begin, end)
    return metres > 0.08, metres >= STILL_M


def _turns(truth: LookTruth, k: int, begin: int, end: int) -> tuple[bool, bool]:
    radians = truth.turned_rad(k, begin, end)
    return radians > 0.3, radians >= STILL_RAD


def _others(of: Callable[[LookTruth, int, int, int], float], room: float) -> Rule:
    """How many of the others have a smaller value than the first object."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
        first, *others = (of(truth, k, begin, end) for k in ks)
        return Count(
            sum(value < first - room for value in others),
            sum(value < first + room for value in others),
        )

    return rule


def _least(of: Callable[[LookTruth, int, int, int], float], room: float) -> Rule:
    """Which object, by the number of its mark, has the smallest value."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        values = [of(truth, k, begin, end) for k in ks]
        return Word(lambda word: values[OBJECTS.index(str(word))] <= min(values) + room)

    return rule


def _range_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    del end
    return float(np.linalg.norm(truth.in_camera_m(k, begin, begin)))


def _closest_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    return min(_range_m(truth, k, frame, frame) for frame in range(begin, end + 1))


def _aside_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    del end
    return float(truth.in_camera_m(k, begin, begin)[0])


def _slowness_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    return -truth.path_m(k, begin, end)


def _extent_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    del begin, end
    return float(truth.size_m_k3[k].max())


def _smallness_m(truth: LookTruth, k: int, begin: int, end: int) -> float:
    return -_extent_m(truth, k, begin, end)


def _height_order(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    one, other = (float(truth.centre_m(k, begin)[2]) for k in ks)
    return Word(lambda word: (one - other) * (1 if word == HEIGHTS[0] else -1) > -NEAR_M)


def _gaps_m(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> np.ndarray:
    frames = range(begin, end + 1)
    return np.array([
        np.linalg.norm(truth.centre_m(ks[0], t) - truth.centre_m(ks[1], t)) for t in frames
    ])  # fmt: skip


def _least_distance(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    return Number((float(_gaps_m(truth, ks, begin, end).min()),))


def _trend(distance_t: np.ndarray) -> Word:
    """How a distance changes; between two words, both are right."""
    first, last = float(distance_t[0]), float(distance_t[-1])
    least, most = float(distance_t.min()), float(distance_t.max())
    meanings = {
        TRENDS[0]: first - last > NEAR_M and most - first < CONSTANT_M,
        TRENDS[1]: last - first > NEAR_M and first - least < CONSTANT_M,
        TRENDS[2]: min(first, last) - least > NEAR_M,
        TRENDS[3]: most - max(first, last) > NEAR_M,
        TRENDS[4]: most - least < CONSTANT_M,
    }
    return Word(lambda word: meanings[str(word)])


def _gap_trend(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    return _trend(_gaps_m(truth, ks, begin, end))


def _range_trend(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    frames = range(begin, end + 1)
    return _trend(np.array([_range_m(truth, ks[0], t, t) for t in frames]))


def _steps_rad(truth: LookTruth, k: int, begin: int, end: int) -> np.ndarray:
    turns = Rotation.from_matrix(truth.world_T_obj_kt44[k, begin : end + 1, :3, :3])
    return np.asarray((turns[1:] * turns[:-1].inv()).as_rotvec())


def _turn_vertical(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    return Number((float(_steps_rad(truth, ks[0], begin, end)[:, 2].sum()),))


def _turn_angle(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    steps = _steps_rad(truth, ks[0], begin, end)
    return Number((float(np.linalg.norm(steps, axis=1).sum()),
                   float(np.linalg.norm(steps.sum(axis=0)))))  # fmt: skip


def _quarter_turns(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
    turned = float(np.linalg.norm(_steps_rad(truth, ks[0], begin, end), axis=1).sum())
    quarter = np.pi / 2
    return Count(int((turned - TURN_ROOM_RAD) // quarter), int((turned + TURN_ROOM_RAD) // quarter))


def _rotation(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    steps = _steps_rad(truth, ks[0], begin, end)
    total = float(np.linalg.norm(steps, axis=1).sum())
    vertical = float(steps[:, 2].sum())

    def holds(word: str | None) -> bool:
        if word == NOT_ROTATING:
            return total <= STILL_RAD
        if word in (CLOCKWISE, COUNTER_CLOCKWISE):
            along = vertical if word == COUNTER_CLOCKWISE else -vertical
            return total >= MOVES_RAD and along >= 0.6 * total
        return total >= MOVES_RAD and abs(vertical) <= 0.8 * total

    return Word(holds)


def _path_ratio(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    straight = np.linalg.norm(truth.centre_m(ks[0], end) - truth.centre_m(ks[0], begin))
    return Number((float(truth.path_m(ks[0], begin, end) / max(straight, 1e-9)),))


def _speed_at(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    """From the frame before to the one behind, and from and to the frame itself."""
    del end
    last = len(truth.at_s_t) - 1
    before, behind = max(0, begin - 1), min(last, begin + 1)
    spans = {(before, behind), (before, begin), (begin, behind)}
    return Number(
        tuple(
            float(
                np.linalg.norm(truth.centre_m(ks[0], b) - truth.centre_m(ks[0], a))
                / (truth.at_s_t[b] - truth.at_s_t[a])
            )
            for a, b in sorted(spans)
            if a < b
        )
    )


AMONG_ALL = frozenset({"faster_count", "nearer_count", "left_count"})
"""Kinds about one object that need all others."""

WORLD_RULES: Mapping[str, Rule] = {
    "displacement_right": _displacement_along(0),
    "displacement_up": _displacement_along(1),
    "displacement_ahead": _displacement_along(2),
    "camera_displacement": _camera_displacement,
    "camera_speed": _camera_speed,
    "camera_direction": _camera_direction,
    "camera_turn": _camera_turn,
    "moving_of_three": _count(_moves),
    "going_count": _count(_goes),
    "turning_count": _count(_turns),
    "faster_count": _others(_slowness_m, NEAR_M),
    "nearer_count": _others(_range_m, NEAR_M),
    "left_count": _others(_aside_m, NEAR_M),
    "nearest": _least(_range_m, NEAR_M),
    "farthest": _least(lambda *about: -_range_m(*about), NEAR_M),
    "comes_closest": _least(_closest_m, NEAR_M),
    "fastest": _least(_slowness_m, NEAR_M),
    "smallest": _least(_extent_m, NEAR_M),
    "largest": _least(_smallness_m, NEAR_M),
    "height_order": _height_order,
    "least_distance": _least_distance,
    "gap_trend": _gap_trend,
    "range_trend": _range_trend,
    "turn_vertical": _turn_vertical,
    "turn_angle": _turn_angle,
    "quarter_turns": _quarter_turns,
    "rotation": _rotation,
    "path_ratio": _path_ratio,
    "speed": _speed_at,
}
