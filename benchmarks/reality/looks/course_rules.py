"""What the truth of a look says of courses in time, shapes of paths, and places of objects.

When something starts or stops is read off all frames of the video, not those of the clip alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.rules import (
    HEADING_RAD,
    MOVES_M,
    STILL_M,
    STILL_RAD,
    Number,
    Rule,
    Word,
)
from benchmarks.reality.looks.truth import LookTruth
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    BOTH,
    COURSES,
    FORMER,
    KEEP_MOVING,
    LATTER,
    NEITHER,
    NEVER_MOVE,
    NOT_ROTATING,
    OBJECTS,
    OWN_SIDES,
    RETURNS,
    RISES,
    SEEN_TURNS,
    SPEED_CHANGES,
    STAYS,
    STRAIGHT,
)

APART_M = 0.05
"""Of two places that a person tells apart."""
SAME_S = 0.05
"""Events that are nearer in time are in either order."""
STEP_S = 0.3
"""Longest time between two frames of a clip: what begins or ends so near together, does so at
once."""
AWAY_M = 0.01
"""So far from where it rested, a thing has started."""
CREEPS_M, RESTS_M = 0.004, 0.02
"""Of a step between two frames: between the two, a thing rests or moves."""
BEND_ROOM_M = 0.015
LEAST_BEND_M = 0.04
LEAST_CHANGE_M_S, CHANGE_ROOM_M_S = 0.05, 0.03


def _who_is_there(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """The first of `ks` is meant; the rest are the objects of all marks, in order."""
    del end
    meant, *marked = ks
    there = truth.centre_m(meant, begin)
    gaps_m = [float(np.linalg.norm(truth.centre_m(k, begin) - there)) for k in marked]

    def holds(word: str | None) -> bool:
        named = OBJECTS.index(str(word))
        others_m = [gap_m for mark, gap_m in enumerate(gaps_m) if mark != named]
        return marked[named] == meant and min(others_m, default=np.inf) >= APART_M

    return Word(holds)


def _when_there(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """The time that the word names is the frame's, and at the other instants it is elsewhere."""
    del end
    last = len(truth.at_s_t) - 1
    others = {round(last * share / 3) for share in range(4)} - {begin}
    there = truth.in_camera_m(ks[0], begin, begin)
    away_m = [float(np.linalg.norm(truth.in_camera_m(ks[0], t, t) - there)) for t in sorted(others)]
    at_s = float(truth.at_s_t[begin] - truth.at_s_t[0])

    def holds(word: str | None) -> bool:
        named_s = float(str(word).split()[1])
        return abs(named_s - at_s) <= STEP_S / 2 and min(away_m, default=np.inf) >= APART_M

    return Word(holds)


def _own_side(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """Bearing of the second object at the start, for one that faces where the first goes."""
    one, other = ks
    went = (truth.centre_m(one, end) - truth.centre_m(one, begin))[:2]
    off = (truth.centre_m(other, begin) - truth.centre_m(one, begin))[:2]
    bearing_rad = float(np.arctan2(*off[::-1]) - np.arctan2(*went[::-1]))
    faces_rad = dict(zip(OWN_SIDES, (0.0, np.pi, np.pi / 2, -np.pi / 2), strict=True))

    def holds(word: str | None) -> bool:
        apart_rad = abs((bearing_rad - faces_rad[str(word)] + np.pi) % (2 * np.pi) - np.pi)
        return bool(np.linalg.norm(went) >= MOVES_M and apart_rad <= HEADING_RAD)

    return Word(holds)


def _course(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """When it moves: a run of steps, with rest before and behind it as the word says."""
    steps_m = np.linalg.norm(
        np.diff(truth.world_T_obj_kt44[ks[0], begin : end + 1, :3, 3], axis=0), axis=1
    )
    count = len(steps_m)

    def fits(first: int, last: int) -> bool:
        rest_m = np.concatenate([steps_m[:first], steps_m[last:]])
        return bool((rest_m <= RESTS_M).all() and (steps_m[first:last] >= CREEPS_M).all())

    spans = [(a, b) for a, b in product(range(count + 1), repeat=2) if a < b and fits(a, b)]
    meanings = {
        COURSES[0]: any(a == 0 and b == count for a, b in spans),
        COURSES[1]: any(a > 0 and b == count for a, b in spans),
        COURSES[2]: any(a == 0 and b < count for a, b in spans),
        COURSES[3]: any(a > 0 and b < count for a, b in spans),
        COURSES[4]: truth.moved_m(ks[0], begin, end) <= STILL_M,
    }
    return Word(lambda word: meanings[str(word)])


def _way(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """The shape of the path: how far it leaves the line from end to end, and to which side."""
    points = truth.world_T_obj_kt44[ks[0], begin : end + 1, :3, 3]
    points = points - points[0]
    far_m = float(np.linalg.norm(points, axis=1).max())
    straight_m = float(np.linalg.norm(points[-1]))
    ahead = points[-1] / max(straight_m, 1e-9)
    off = points - np.outer(points @ ahead, ahead)
    bend = off[int(np.linalg.norm(off, axis=1).argmax())]
    bend_m = float(np.linalg.norm(bend))
    # From above: what bulges to the left of the way bends to the right.
    left_m = float(ahead[0] * bend[1] - ahead[1] * bend[0])
    rise_m = float(points[:, 2].max() - max(0.0, points[-1, 2]))
    bends = bend_m >= LEAST_BEND_M - BEND_ROOM_M and far_m >= MOVES_M
    meanings = {
        STAYS: far_m <= 2 * STILL_M,
        STRAIGHT: far_m >= MOVES_M and bend_m <= LEAST_BEND_M + BEND_ROOM_M,
        BENDS_LEFT: bends and -left_m >= 0.7 * bend_m,
        BENDS_RIGHT: bends and left_m >= 0.7 * bend_m,
        RETURNS: far_m >= MOVES_M and straight_m <= LEAST_BEND_M + BEND_ROOM_M,
        RISES: rise_m >= LEAST_BEND_M - BEND_ROOM_M,
    }
    return Word(lambda word: meanings[str(word)])


def _starts_s(truth: LookTruth, k: int, begin: int, end: int) -> float | None:
    """When it has left the place where it is at the begin; None if it never moves."""
    at_s, places = truth.between(k, begin, end)
    away_m = np.linalg.norm(places - places[0], axis=1)
    return float(at_s[int(np.argmax(away_m >= AWAY_M))]) if away_m.max() >= STILL_M else None


def _stops_s(truth: LookTruth, k: int, begin: int, end: int) -> float | None:
    """Since when it has been where it is at the end; None if it never moves."""
    at_s, places = truth.between(k, begin, end)
    away_m = np.linalg.norm(places - places[-1], axis=1)
    last = int(np.flatnonzero(away_m >= AWAY_M).max(initial=0))
    return float(at_s[last]) if away_m.max() >= STILL_M else None


def _moves_first(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    one, other = (_starts_s(truth, k, begin, end) for k in ks)
    far_m = [truth.moved_m(k, begin, end) for k in ks]
    one_s, other_s = (np.inf if at is None else at for at in (one, other))
    meanings = {
        FORMER: far_m[0] >= MOVES_M and one_s <= other_s + SAME_S,
        LATTER: far_m[1] >= MOVES_M and other_s <= one_s + SAME_S,
        BOTH: one is not None and other is not None and abs(one_s - other_s) <= STEP_S,
        NEITHER: max(far_m) <= STILL_M,
    }
    return Word(lambda word: meanings[str(word)])


def _rests_first(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    one, other = (_stops_s(truth, k, begin, end) for k in ks)
    far_m = [truth.moved_m(k, begin, end) for k in ks]
    both = one is not None and other is not None
    one_s, other_s = (np.inf if at is None else at for at in (one, other))
    goes_on_s = float(truth.at_s_t[end]) - STEP_S
    meanings = {
        FORMER: both and one_s <= other_s + SAME_S,
        LATTER: both and other_s <= one_s + SAME_S,
        KEEP_MOVING: both and min(one_s, other_s) >= goes_on_s,
        NEVER_MOVE: max(far_m) <= STILL_M,
    }
    return Word(lambda word: meanings[str(word)])


def _rotation_seen(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """Where the point of the object that is nearest to the camera goes, as the camera shows it."""
    turns = Rotation.from_matrix(truth.world_T_obj_kt44[ks[0], begin : end + 1, :3, :3])
    steps = (turns[1:] * turns[:-1].inv()).as_rotvec()
    camera = truth.world_T_cam_t44[begin]
    towards = camera[:3, 3] - truth.centre_m(ks[0], begin)
    towards = towards / np.linalg.norm(towards)
    goes = np.cross(steps.sum(axis=0), towards)
    right, down = float(camera[:3, 0] @ goes), float(camera[:3, 1] @ goes)
    clockwise = -float(steps.sum(axis=0) @ towards)
    along = dict(zip(SEEN_TURNS, (-right, right, -down, down, clockwise, -clockwise), strict=False))
    size_rad = float(np.linalg.norm([right, down, clockwise]))
    total_rad = float(np.linalg.norm(steps, axis=1).sum())

    def holds(word: str | None) -> bool:
        if word == NOT_ROTATING:
            return total_rad <= STILL_RAD
        return along[str(word)] >= size_rad * np.cos(HEADING_RAD) > 0

    return Word(holds)


def _halves_m_s(truth: LookTruth, k: int, begin: int, end: int) -> tuple[float, float, float]:
    """Mean speeds along the path in the first and last half of the steps, and the time between."""
    half = (end - begin) // 2
    spans = (begin, begin + half), (end - half, end)
    early, late = (
        truth.path_m(k, a, b) / max(1e-9, float(truth.at_s_t[b] - truth.at_s_t[a]))
        for a, b in spans
    )
    middles = [float(truth.at_s_t[a] + truth.at_s_t[b]) / 2 for a, b in spans]
    return early, late, middles[1] - middles[0]


def _speed_change(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    early, late, _ = _halves_m_s(truth, ks[0], begin, end)
    far_m = truth.moved_m(ks[0], begin, end)
    least, most = LEAST_CHANGE_M_S - CHANGE_ROOM_M_S, LEAST_CHANGE_M_S + CHANGE_ROOM_M_S
    meanings = {
        SPEED_CHANGES[0]: late - early >= least,
        SPEED_CHANGES[1]: early - late >= least,
        SPEED_CHANGES[2]: far_m >= MOVES_M and abs(late - early) <= most,
        SPEED_CHANGES[3]: far_m <= STILL_M,
    }
    return Word(lambda word: meanings[str(word)])


def _acceleration(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    """Of a thing whose speed changes evenly along a straight way."""
    early, late, seconds = _halves_m_s(truth, ks[0], begin, end)
    return Number(((late - early) / max(seconds, 1e-9),))


AMONG_MARKS = frozenset({"who_is_there"})
"""Kinds about one object that need the objects of all marks, in the order of the marks."""

COURSE_RULES: Mapping[str, Rule] = {
    "who_is_there": _who_is_there,
    "when_there": _when_there,
    "own_side": _own_side,
    "course": _course,
    "way": _way,
    "moves_first": _moves_first,
    "rests_first": _rests_first,
    "rotation_seen": _rotation_seen,
    "speed_change": _speed_change,
    "acceleration": _acceleration,
}
