"""What the truth of a look says where a fact says something, by kind of fact.

Borders of words have a little room on both sides, where truth itself is at the border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.reality.looks.truth import LookTruth
from p4d.geometry.cameras import project
from p4d.questions.facts.table import Fact
from p4d.questions.facts.vocabulary import (
    DIRECTIONS,
    FORMER,
    NEARING,
    PICTURE_DIRECTIONS,
    PICTURE_SIDES,
    QUADRANTS,
    SIDES,
    STAYS,
    VERTICAL,
    VIEW_RESTS,
)

STILL_M, MOVES_M = 0.03, 0.02
STILL_RAD, MOVES_RAD = 0.12, 0.06
"""Between the lower and the upper one, both `still` and `moving` are right."""
STAYS_PX, GOES_PX = 3.0, 1.0
"""Of a 64 px picture, likewise."""
HEADING_RAD = np.deg2rad(50)
"""From the axis of a word; words meet at 45 degrees."""
EDGE_PX = 0.5


class Answer(Protocol):
    """What the truth says where a fact says something."""

    def right(self, fact: Fact, sigmas: float) -> bool:
        """Whether the fact agrees, a number within so many of its sigmas."""


@dataclass(frozen=True)
class Word:
    """A word; `holds` says of each whether it is right."""

    holds: Callable[[str | None], bool]

    def right(self, fact: Fact, sigmas: float) -> bool:
        """Whether the word of the fact holds."""
        del sigmas
        return bool(self.holds(fact.value_text))


@dataclass(frozen=True)
class Number:
    """A number, or several that are right alike."""

    values: tuple[float, ...]

    def right(self, fact: Fact, sigmas: float) -> bool:
        """Whether one of them is near enough."""
        off = min(abs(value - fact.value) for value in self.values)
        return off <= max(sigmas * fact.sigma, 1e-6)


@dataclass(frozen=True)
class Count:
    """A count, or any of a range."""

    least: int
    most: int

    def right(self, fact: Fact, sigmas: float) -> bool:
        """Whether it is in the range."""
        del sigmas
        return self.least <= fact.value <= self.most


Rule = Callable[[LookTruth, Sequence[int], int, int], Answer]


def _heads(off_2: np.ndarray, words: Sequence[str]) -> Word:
    """Words for left, right, up and down of a vector (u, v) in px."""
    axes = dict(zip(words, np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]), strict=True))
    length = float(np.linalg.norm(off_2))

    def right(word: str | None) -> bool:
        if word == STAYS:
            return length <= STAYS_PX
        cosine = float(axes[str(word)] @ off_2) / max(length, 1e-9)
        return length >= GOES_PX and cosine >= np.cos(HEADING_RAD)

    return Word(right)


def _either(truth: LookTruth, off_2: np.ndarray) -> Word:
    """The heading in the video's proportions or in the square of the clip's frames."""
    shown_2 = off_2 * np.array([1.0, truth.size_px[1] / truth.size_px[0]])
    words = [_heads(off, PICTURE_DIRECTIONS[:4]) for off in (off_2, shown_2)]
    return Word(lambda word: any(one.holds(word) for one in words))


def _picture_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    return _either(truth, truth.pixel(ks[0], end, begin) - truth.pixel(ks[0], begin, begin))


def _screen_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    return _either(truth, truth.pixel(ks[0], end, end) - truth.pixel(ks[0], begin, begin))


def _goes(axis: int, words: Sequence[str]) -> Rule:
    """Which of two ways an object goes along an axis of the picture."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
        pairs = zip(places(truth, ks[0], begin), places(truth, ks[0], end), strict=False)
        ways = [float(last[axis] - first[axis]) for first, last in pairs]
        return Word(
            lambda word: any(way * (1 if word == words[1] else -1) > EDGE_PX for way in ways)
        )

    return rule


def _goes_farther(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    one, other = (_shifts(truth, k, begin, end) for k in ks)
    return Word(lambda word: (max(one) > min(other)) if word == FORMER else max(other) > min(one))


def _gap_in_picture(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    scale_2 = np.array([1.0, truth.size_px[1] / truth.size_px[0]])
    gaps = []
    for frame in (begin, end):
        pairs = zip(*(places(truth, k, frame) for k in ks), strict=False)
        gaps.append([float(np.linalg.norm((a - b) * scale_2)) for a, b in pairs])
    changes = [last - first for first, last in zip(*gaps, strict=False)]
    return Word(
        lambda word: any(change * (-1 if word == NEARING[0] else 1) > 0 for change in changes)
    )


def moves(truth: LookTruth, k: int, begin: int, end: int) -> tuple[bool, bool]:
    """Whether `still` is right, and whether `moving` is."""
    metres, radians = truth.moved_m(k, begin, end), truth.turned_rad(k, begin, end)
    still = metres <= STILL_M and radians <= STILL_RAD
    return still, metres >= MOVES_M or radians >= MOVES_RAD


def _moving(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    still, moving = moves(truth, ks[0], begin, end)
    return Word(lambda word: still if word == "still" else moving)


def _moving_count(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
    states = [moves(truth, k, begin, end) for k in ks]
    least = sum(not still for still, _ in states)
    most = sum(moving for _, moving in states)
    return Count(least, most)


def _going_count(word: str) -> Rule:
    """How many of the objects go to one side; any direction near a border counts or not."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
        least = most = 0
        for k in ks:
            answer = _picture_direction(truth, [k], begin, end)
            holds = answer.holds(word)
            most += holds
            least += holds and not any(answer.holds(w) for w in PICTURE_DIRECTIONS if w != word)
        return Count(least, most)

    return rule


def places(truth: LookTruth, k: int, frame: int) -> list[np.ndarray]:
    """Where an object is in the picture: the centre of what is seen of it, and its own centre."""
    seen = truth.seen_px(k, frame)
    return [truth.pixel(k, frame, frame), *([] if seen is None else [seen])]


def _quadrant(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    middle = truth.instance_thw.shape[-1] / 2
    offs = [place - middle for place in places(truth, ks[0], begin)]
    return Word(lambda word: any(_is_corner(off, QUADRANTS, word) for off in offs))


def _picture_side(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    pairs = zip(*(places(truth, k, begin) for k in ks), strict=False)
    offs = [one - other for one, other in pairs]
    return Word(lambda word: any(_is_corner(off, PICTURE_SIDES, word) for off in offs))


def _left_of_first(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Count:
    """How many of the others are left of the first object in the picture."""
    del end
    first, *others = (places(truth, k, begin) for k in ks)
    offs = [[one[0] - other[0] for one, other in zip(first, each, strict=False)] for each in others]
    return Count(sum(min(off) > EDGE_PX for off in offs), sum(max(off) > -EDGE_PX for off in offs))


def _is_corner(off_2: np.ndarray, words: Sequence[str], word: str | None) -> bool:
    """Words in the order left up, right up, left down, right down."""
    number = words.index(str(word))
    u, v = (1 if number % 2 else -1) * off_2[0], (1 if number // 2 else -1) * off_2[1]
    return bool(u >= -EDGE_PX and v >= -EDGE_PX)


def _side(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    one, other = (truth.in_camera_m(k, begin, begin) for k in ks)
    return Word(lambda word: (one[0] < other[0]) == (word == "left"))


def _depth_order(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    del end
    one, other = (np.linalg.norm(truth.in_camera_m(k, begin, begin)) for k in ks)
    return Word(lambda word: (one < other) == (word == "nearer"))


def _direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """In level axes of the first camera: right, ahead, up."""
    moved = truth.centre_m(ks[0], end) - truth.centre_m(ks[0], begin)
    ahead = truth.world_T_cam_t44[0, :3, 2] * [1, 1, 0]
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1])
    axes = dict(
        zip(DIRECTIONS, (-right, right, -ahead, ahead, [0, 0, 1], [0, 0, -1]), strict=False)
    )
    length = float(np.linalg.norm(moved))

    def holds(word: str | None) -> bool:
        if word == STAYS:
            return truth.moved_m(ks[0], begin, end) <= 0.06
        along = float(np.dot(axes[str(word)], moved)) / max(length, 1e-9)
        return length >= MOVES_M and along >= np.cos(HEADING_RAD)

    return Word(holds)


def _distance(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    del end
    return Number(
        (float(np.linalg.norm(truth.centre_m(ks[0], begin) - truth.centre_m(ks[1], begin))),)
    )


def _to_camera(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    del end
    return Number((float(np.linalg.norm(truth.in_camera_m(ks[0], begin, begin))),))


def _displacement(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    return Number(
        (float(np.linalg.norm(truth.centre_m(ks[0], end) - truth.centre_m(ks[0], begin))),)
    )


def _mean_speed(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    seconds = float(truth.at_s_t[end] - truth.at_s_t[begin])
    return Number((truth.path_m(ks[0], begin, end) / seconds,))


def _place(axis: int) -> Rule:
    """Share of the picture's side, %: of what is seen of an object, and of its own centre."""

    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
        del end
        side_px = truth.instance_thw.shape[-1]
        found = places(truth, ks[0], begin)
        return Number(tuple(float(100 * place[axis] / side_px) for place in found))

    return rule


def _shifts(truth: LookTruth, k: int, begin: int, end: int) -> list[float]:
    """How far an object moves in the picture, % of its width."""
    height_per_width = truth.size_px[1] / truth.size_px[0]
    side_px = truth.instance_thw.shape[-1]
    pairs = zip(places(truth, k, begin), places(truth, k, end), strict=False)
    scale_2 = np.array([1.0, height_per_width]) * 100 / side_px
    return [float(np.linalg.norm((last - first) * scale_2)) for first, last in pairs]


def _screen_shift(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    return Number(tuple(_shifts(truth, ks[0], begin, end)))


def _screen_speed(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
    seconds = float(truth.at_s_t[end] - truth.at_s_t[begin])
    return Number(tuple(shift / seconds for shift in _shifts(truth, ks[0], begin, end)))


REST_VIEW_PX, MOVED_VIEW_PX = 0.8, 0.3
"""Of 64: a hand that shakes by 2 px of 384 is seen."""
DEPTHS_M = (2.0, 5.0, 30.0)
"""Of what a view shows: near, in the middle, and far."""


def _shifts_px(truth: LookTruth, begin: int, end: int) -> np.ndarray:
    """How far what a camera saw at four places has moved, by frame, [T, depths, 4, 2]."""
    side_px = truth.instance_thw.shape[-1]
    seen = np.array([[0.3, 0.3], [0.7, 0.3], [0.3, 0.7], [0.7, 0.7]]) * side_px
    rays = np.concatenate([seen, np.ones((4, 1))], axis=1) @ np.linalg.inv(truth.K_33).T
    first = truth.world_T_cam_t44[begin]
    points = np.array([[first[:3, :3] @ r * z + first[:3, 3] for r in rays] for z in DEPTHS_M])
    later = [
        [[project(point, truth.K_33, camera)[0] for point in each] for each in points]
        for camera in truth.world_T_cam_t44[begin : end + 1]
    ]
    return np.array(later) - seen


def _view(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """Whether the view moves: by what it sees at any depth."""
    del ks
    away = float(np.linalg.norm(_shifts_px(truth, begin, end), axis=-1).max())
    return Word(lambda word: away <= REST_VIEW_PX if word == VIEW_RESTS else away >= MOVED_VIEW_PX)


def _view_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Word:
    """The view goes where the background comes from, at any depth."""
    del ks
    heads = [
        _heads(-each.mean(axis=0), PICTURE_DIRECTIONS[:4])
        for each in _shifts_px(truth, begin, end)[-1]
    ]
    return Word(lambda word: any(one.holds(word) for one in heads))


def _position(axis: int) -> Rule:
    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> Number:
        del end
        return Number((float(truth.in_camera_m(ks[0], begin, begin)[axis]),))

    return rule


RULES: Mapping[str, Rule] = {
    "moving": _moving,
    "moving_count": _moving_count,
    "leftward_count": _going_count("left"),
    "rightward_count": _going_count("right"),
    "picture_direction": _picture_direction,
    "screen_direction": _screen_direction,
    "quadrant": _quadrant,
    "picture_left_count": _left_of_first,
    "picture_side": _picture_side,
    "left_or_right": _goes(0, SIDES),
    "up_or_down": _goes(1, VERTICAL),
    "goes_farther": _goes_farther,
    "gap_in_picture": _gap_in_picture,
    "place_across": _place(0),
    "place_down": _place(1),
    "screen_shift": _screen_shift,
    "screen_speed": _screen_speed,
    "view": _view,
    "view_direction": _view_direction,
    "side": _side,
    "depth_order": _depth_order,
    "direction": _direction,
    "distance": _distance,
    "distance_to_camera": _to_camera,
    "displacement": _displacement,
    "path_length": lambda truth, ks, begin, end: Number((truth.path_m(ks[0], begin, end),)),
    "mean_speed": _mean_speed,
    "size_longest": lambda truth, ks, begin, end: Number((float(truth.size_m_k3[ks[0]].max()),)),
    "position_right": _position(0),
    "position_down": _position(1),
    "position_ahead": _position(2),
}

NEAREST_OPTION = frozenset(
    {"place_across", "place_down", "screen_shift", "screen_speed", "distance", "displacement",
     "distance_to_camera", "path_length", "mean_speed", "size_longest"}
)  # fmt: skip
"""Kinds of which a question has one number per option, in the unit of the fact."""
