"""Compares facts and questions with the truth of a look.

The rules are of their own and share no code with what measures facts: words are right if the truth
is within the word's border (with a little room where truth itself has a border), numbers if they
are within so many sigmas. A question is true if all facts that answer it are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from benchmarks.reality.looks.truth import LookTruth
from p4d.questions.facts.table import Fact
from p4d.questions.facts.vocabulary import (
    DIRECTIONS,
    PICTURE_DIRECTIONS,
    PICTURE_SIDES,
    QUADRANTS,
    STAYS,
)

STILL_M, MOVES_M = 0.03, 0.02
STILL_RAD, MOVES_RAD = 0.12, 0.06
"""Between the lower and the upper one, both `still` and `moving` are right."""
STAYS_PX, GOES_PX = 3.0, 1.0
"""Of a 64 px picture, likewise."""
HEADING_RAD = np.deg2rad(50)
"""From the axis of a word; words meet at 45 degrees."""
EDGE_PX = 0.5


class Verdict(Enum):
    """What the truth says of a fact or question, the worst last."""

    RIGHT = 0
    UNJUDGED = 1
    WRONG = 2
    NOTHING = 3


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The objects under the marks of a clip.

    Attributes:
        objects: index of the object, or None, by region.
        several: regions whose mark covers several objects, or shares its object with another mark.
    """

    objects: Mapping[str, int | None]
    several: frozenset[str]

    @classmethod
    def of(cls, truth: LookTruth, masks_khw: np.ndarray, region_ids: Sequence[str]) -> Marks:
        """Find them; masks of the first frame, in the order of the ids."""
        found = {
            region: truth.object_under(mask)
            for region, mask in zip(region_ids, masks_khw, strict=True)
        }
        numbers = [k for k, _ in found.values() if k is not None]
        several = {r for r, (k, many) in found.items() if many or numbers.count(k) > 1}
        return cls(objects={r: k for r, (k, _) in found.items()}, several=frozenset(several))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The truth and the marks of one clip.

    Attributes:
        time_ns: times that facts name, from the start of the clip, by frame.
    """

    truth: LookTruth
    marks: Marks
    time_ns: np.ndarray

    def fact(self, fact: Fact, sigmas: float = 3.0) -> Verdict:
        """Whether a fact is right; a number, within so many sigmas."""
        under = [self.marks.objects.get(region) for region in fact.region_ids]
        if fact.kind in ("marked_count", "absent_mark", "absent_name", "name"):
            return Verdict.RIGHT
        if None in under:
            return Verdict.NOTHING
        rule = RULES.get(fact.kind)
        if rule is None:
            return Verdict.UNJUDGED
        begin, end = (int(np.abs(self.time_ns - t).argmin()) for t in (fact.start_ns, fact.end_ns))
        found = rule(self.truth, [k for k in under if k is not None], begin, end)
        if callable(found):
            right = found(fact.value_text)
        else:
            right = abs(found - fact.value) <= max(sigmas * fact.sigma, 1e-6)
        return Verdict.RIGHT if right else Verdict.WRONG

    def question(self, facts: Sequence[Fact]) -> Verdict:
        """The worst verdict of the facts that answer it."""
        return max((self.fact(fact) for fact in facts), key=lambda one: one.value)

    def on_several(self, facts: Sequence[Fact]) -> bool:
        """Whether a mark of the question covers several objects."""
        return any(region in self.marks.several for fact in facts for region in fact.region_ids)


Rule = Callable[[LookTruth, Sequence[int], int, int], "float | Callable[[str | None], bool]"]


def _heads(off_2: np.ndarray, words: Sequence[str]) -> Callable[[str | None], bool]:
    """Words for left, right, up and down of a vector (u, v) in px."""
    axes = dict(zip(words, np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]), strict=True))
    length = float(np.linalg.norm(off_2))

    def right(word: str | None) -> bool:
        if word == STAYS:
            return length <= STAYS_PX
        cosine = float(axes[str(word)] @ off_2) / max(length, 1e-9)
        return length >= GOES_PX and cosine >= np.cos(HEADING_RAD)

    return right


def _picture_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    off_2 = truth.pixel(ks[0], end, begin) - truth.pixel(ks[0], begin, begin)
    return _heads(off_2, PICTURE_DIRECTIONS[:4])


def _screen_direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    off_2 = truth.pixel(ks[0], end, end) - truth.pixel(ks[0], begin, begin)
    return _heads(off_2, PICTURE_DIRECTIONS[:4])


def moves(truth: LookTruth, k: int, begin: int, end: int) -> tuple[bool, bool]:
    """Whether `still` is right, and whether `moving` is."""
    metres, radians = truth.moved_m(k, begin, end), truth.turned_rad(k, begin, end)
    still = metres <= STILL_M and radians <= STILL_RAD
    return still, metres >= MOVES_M or radians >= MOVES_RAD


def _moving(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    still, moving = moves(truth, ks[0], begin, end)
    return lambda word: still if word == "still" else moving


def _moving_count(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    states = [moves(truth, k, begin, end) for k in ks]
    least = sum(not still for still, _ in states)
    most = sum(moving for _, moving in states)
    return _Between(least, most)


class _Between(float):
    """A count that may be any of a range: its distance to a value is zero inside."""

    def __new__(cls, least: int, most: int) -> _Between:
        """The middle, with its range."""
        made = super().__new__(cls, (least + most) / 2)
        made.least, made.most = least, most
        return made

    least: int
    most: int

    def __sub__(self, value: float) -> float:
        return 0.0 if self.least <= value <= self.most else 1e9


def _places(truth: LookTruth, k: int, frame: int) -> list[np.ndarray]:
    """Where an object is in the picture: the centre of what is seen of it, and its own centre."""
    seen = truth.seen_px(k, frame)
    return [truth.pixel(k, frame, frame), *([] if seen is None else [seen])]


def _quadrant(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    del end
    middle = truth.instance_thw.shape[-1] / 2
    offs = [place - middle for place in _places(truth, ks[0], begin)]
    return lambda word: any(_is_corner(off, QUADRANTS, word) for off in offs)


def _picture_side(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    del end
    pairs = zip(*(_places(truth, k, begin) for k in ks), strict=False)
    offs = [one - other for one, other in pairs]
    return lambda word: any(_is_corner(off, PICTURE_SIDES, word) for off in offs)


def _is_corner(off_2: np.ndarray, words: Sequence[str], word: str | None) -> bool:
    """Words in the order left up, right up, left down, right down."""
    number = words.index(str(word))
    u, v = (1 if number % 2 else -1) * off_2[0], (1 if number // 2 else -1) * off_2[1]
    return bool(u >= -EDGE_PX and v >= -EDGE_PX)


def _side(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    del end
    one, other = (truth.in_camera_m(k, begin, begin) for k in ks)
    return lambda word: (one[0] < other[0]) == (word == "left")


def _depth_order(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
    del end
    one, other = (np.linalg.norm(truth.in_camera_m(k, begin, begin)) for k in ks)
    return lambda word: (one < other) == (word == "nearer")


def _direction(truth: LookTruth, ks: Sequence[int], begin: int, end: int):
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

    return holds


def _distance(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> float:
    del end
    return float(np.linalg.norm(truth.centre_m(ks[0], begin) - truth.centre_m(ks[1], begin)))


def _to_camera(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> float:
    del end
    return float(np.linalg.norm(truth.in_camera_m(ks[0], begin, begin)))


def _displacement(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> float:
    return float(np.linalg.norm(truth.centre_m(ks[0], end) - truth.centre_m(ks[0], begin)))


def _mean_speed(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> float:
    return truth.path_m(ks[0], begin, end) / float(truth.at_s_t[end] - truth.at_s_t[begin])


def _position(axis: int) -> Rule:
    def rule(truth: LookTruth, ks: Sequence[int], begin: int, end: int) -> float:
        del end
        return float(truth.in_camera_m(ks[0], begin, begin)[axis])

    return rule


RULES: Mapping[str, Rule] = {
    "moving": _moving,
    "moving_count": _moving_count,
    "picture_direction": _picture_direction,
    "screen_direction": _screen_direction,
    "quadrant": _quadrant,
    "picture_side": _picture_side,
    "side": _side,
    "depth_order": _depth_order,
    "direction": _direction,
    "distance": _distance,
    "distance_to_camera": _to_camera,
    "displacement": _displacement,
    "path_length": lambda truth, ks, begin, end: truth.path_m(ks[0], begin, end),
    "mean_speed": _mean_speed,
    "size_longest": lambda truth, ks, begin, end: float(truth.size_m_k3[ks[0]].max()),
    "position_right": _position(0),
    "position_down": _position(1),
    "position_ahead": _position(2),
}
