"""Facts that need the seconds of the frames: durations, instants of events, speeds in motion.

Events are tied to frames, because nothing is known between two of them: an object starts at the
last frame in which it still rests, and has stopped at the first one in which it rests again. A
margin of an event says how certain its frame is, so a sigma is the step to the next frame over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.trajectory import STEP_M, Trajectory, trajectory_of
from p4d.questions.facts.table import Fact, quantity

TIME_SIGMA_S = 0.01


@dataclass(frozen=True)
class Course:
    """The one motion of an object within a clip.

    Attributes:
        k: index of the object in the scene.
        first, last: the frames between which it changes place.
        first_sigma_s, last_sigma_s: errors of their times.
        path_m, path_sigma_m: length of its path, and the error.
        rests_before, rests_after: whether it is seen at rest before and after.
    """

    k: int
    first: int
    last: int
    first_sigma_s: float
    last_sigma_s: float
    path_m: float
    path_sigma_m: float
    rests_before: bool
    rests_after: bool


def second_facts(scene: Scene, params: FactsParams) -> Iterator[Fact]:
    """Yield the facts of one clip that need the seconds of its frames."""
    end = len(scene.time_ns) - 1
    span_ns = scene.span(0, end)
    steps_s = np.diff(scene.time_ns) * 1e-9
    for kind, value_s, method in (
        ("video_seconds", scene.seconds(0, end), "from the first frame to the last"),
        ("longest_pause", float(steps_s.max()), "longest time between two frames"),
    ):
        yield quantity(
            scene.source, kind, value_s, TIME_SIGMA_S, unit="s", frame="world", method=method,
            span_ns=span_ns,
        )  # fmt: skip
    courses = []
    for k in range(len(scene.region_ids)):
        course = course_of(scene, trajectory_of(scene, k, 0, end, params))
        if course is not None:
            courses.append(course)
            yield from _of_one(scene, course, span_ns)
    for one, other in combinations(courses, 2):
        yield from _of_two(scene, one, other, span_ns)


def course_of(scene: Scene, whole: Trajectory) -> Course | None:
    """The one motion of an object; None if it has none, or pauses, or creeps."""
    moves, steps_m = whole.moves, whole.steps_m
    if whole.moves_margin <= 0 or not moves.any() or ((steps_m > STEP_M / 4) & ~moves).any():
        return None
    start, stop = whole.start, whole.stop
    first, last = start.frame, len(moves) - stop.frame
    if not moves[first:last].all() or min(start.margin, stop.margin) <= 0:
        return None
    steps_s = np.diff(scene.time_ns) * 1e-9

    def sigma_s(frame: int, margin: float) -> float:
        beside_s = steps_s[max(0, frame - 1) : frame + 1].max()
        return max(TIME_SIGMA_S, float(beside_s) / margin)

    return Course(
        k=whole.k,
        first=first,
        last=last,
        first_sigma_s=sigma_s(first, start.margin),
        last_sigma_s=sigma_s(last, stop.margin),
        path_m=whole.path_m,
        path_sigma_m=whole.path_sigma_m,
        rests_before=first > 0,
        rests_after=last < len(moves),
    )


def _of_one(scene: Scene, course: Course, span_ns: tuple[int, int]) -> Iterator[Fact]:
    region = [scene.region_ids[course.k]]
    both_s = float(np.hypot(course.first_sigma_s, course.last_sigma_s))
    moves_s = scene.seconds(course.first, course.last)
    times: list[tuple[str, float, float, str]] = []
    if course.rests_before:
        times.append(
            ("starts_at", scene.seconds(0, course.first), course.first_sigma_s,
             "time of the last frame at rest")
        )  # fmt: skip
    if course.rests_after:
        times.append(
            ("stops_at", scene.seconds(0, course.last), course.last_sigma_s,
             "time of the first frame at rest again")
        )  # fmt: skip
    if course.rests_before or course.rests_after:
        times.append(
            ("moves_for", moves_s, both_s, "from the last frame at rest to the first at rest again")
        )
    for kind, value_s, sigma_s, method in times:
        yield quantity(
            scene.source, kind, value_s, sigma_s, unit="s", frame="world", method=method,
            region_ids=region, span_ns=span_ns,
        )  # fmt: skip
    if scene.metric:
        speed_m_s, sigma_m_s = _speed(scene, course)
        yield quantity(
            scene.source, "speed_in_motion", speed_m_s, sigma_m_s, unit="m/s", frame="world",
            method="path length over the time in motion", region_ids=region, span_ns=span_ns,
        )  # fmt: skip


def _of_two(scene: Scene, one: Course, other: Course, span_ns: tuple[int, int]) -> Iterator[Fact]:
    pair: Sequence[str] = [scene.region_ids[one.k], scene.region_ids[other.k]]
    if one.rests_before and other.rests_before and one.first != other.first:
        yield quantity(
            scene.source, "between_starts",
            scene.seconds(min(one.first, other.first), max(one.first, other.first)),
            float(np.hypot(one.first_sigma_s, other.first_sigma_s)), unit="s", frame="world",
            method="times of their last frames at rest", region_ids=pair, span_ns=span_ns,
        )  # fmt: skip
    (one_m_s, one_sigma), (other_m_s, other_sigma) = _speed(scene, one), _speed(scene, other)
    ratio = one_m_s / other_m_s
    yield quantity(
        scene.source, "times_as_fast", ratio,
        ratio * float(np.hypot(one_sigma / one_m_s, other_sigma / other_m_s)), unit="ratio",
        frame="world", method="speeds in motion of the former and the latter", region_ids=pair,
        span_ns=span_ns,
    )  # fmt: skip


def _speed(scene: Scene, course: Course) -> tuple[float, float]:
    """Path length over the time in motion, and its error."""
    moves_s = scene.seconds(course.first, course.last)
    speed = course.path_m / moves_s
    relative = np.hypot(
        course.path_sigma_m / course.path_m,
        np.hypot(course.first_sigma_s, course.last_sigma_s) / moves_s,
    )
    return speed, speed * float(relative)
