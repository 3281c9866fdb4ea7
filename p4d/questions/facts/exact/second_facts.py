"""Facts that need the seconds of the frames: durations, instants of events, speeds in motion.

Events are tied to frames, because nothing is known between two of them: an object starts at the
last frame in which it still rests, and has stopped at the first one in which it rests again. A
margin of an event says how certain its frame is, so a sigma is the step to the next frame over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.blocks import (
    NOBODY,
    Bools,
    FactBlock,
    FactRows,
    Floats,
    Ints,
    each,
    pairs,
)
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.trajectories import Trajectories

TIME_SIGMA_S = 0.01


@dataclass(frozen=True)
class Courses:
    """The one motion of each object within a clip.

    Attributes:
        whole: the paths over the whole clip.
    """

    whole: Trajectories

    @cached_property
    def known_ck(self) -> Bools:
        """Whether the object has one motion: it does not rest, pause or creep."""
        whole = self.whole
        moves_ck = (whole.moves_margin_ck > 0) & whole.any_moves_ck & ~whole.creeps_ck
        seen_ck = np.minimum(whole.start.margin_ck, whole.stop.margin_ck) > 0
        return moves_ck & whole.one_motion_ck & seen_ck

    @property
    def first_ck(self) -> Ints:
        """The frame from which on the object changes place."""
        return self.whole.start.frame_ck

    @cached_property
    def last_ck(self) -> Ints:
        """The frame at which it has stopped."""
        return np.asarray(self.whole.moves_ckt.shape[-1] - self.whole.stop.frame_ck)

    @cached_property
    def first_sigma_s_ck(self) -> Floats:
        """Error of the time of the first frame."""
        return self._sigma_s_ck(self.first_ck, self.whole.start.margin_ck)

    @cached_property
    def last_sigma_s_ck(self) -> Floats:
        """Error of the time of the last frame."""
        return self._sigma_s_ck(self.last_ck, self.whole.stop.margin_ck)

    @cached_property
    def both_sigma_s_ck(self) -> Floats:
        """Error of the time in motion."""
        return np.hypot(self.first_sigma_s_ck, self.last_sigma_s_ck)

    def _sigma_s_ck(self, frame_ck: Ints, margin_ck: Floats) -> Floats:
        steps_s_ct = np.diff(self.whole.scenes.time_ns_ct) * 1e-9
        before_ct = np.concatenate([steps_s_ct[:, :1], steps_s_ct], axis=1)
        after_ct = np.concatenate([steps_s_ct, steps_s_ct[:, -1:]], axis=1)
        beside_s_ck = np.take_along_axis(np.maximum(before_ct, after_ct), frame_ck, axis=1)
        return np.maximum(TIME_SIGMA_S, beside_s_ck / margin_ck)

    @property
    def rests_before_ck(self) -> Bools:
        """Whether the object is seen at rest before."""
        return self.first_ck > 0

    @property
    def rests_after_ck(self) -> Bools:
        """Whether the object is seen at rest after."""
        return self.whole.stop.frame_ck > 0

    def seconds_ck(self, frame_ck: Ints) -> Floats:
        """Times of frames, from the first one on."""
        time_ns_ct = self.whole.scenes.time_ns_ct
        at_ns_ck = np.take_along_axis(time_ns_ct, frame_ck, axis=1)
        return np.asarray((at_ns_ck - time_ns_ct[:, :1]) * 1e-9)

    @cached_property
    def moves_s_ck(self) -> Floats:
        """Seconds in motion."""
        time_ns_ct = self.whole.scenes.time_ns_ct
        first_ns_ck, last_ns_ck = (
            np.take_along_axis(time_ns_ct, frame_ck, axis=1)
            for frame_ck in (self.first_ck, self.last_ck)
        )
        return np.asarray((last_ns_ck - first_ns_ck) * 1e-9)

    @cached_property
    def speed_m_s_ck(self) -> Floats:
        """Path length over the time in motion."""
        return self.whole.path_m_ck / self.moves_s_ck

    @cached_property
    def speed_sigma_m_s_ck(self) -> Floats:
        """Error of the speed in motion."""
        relative_ck = np.hypot(
            self.whole.path_sigma_m_ck / self.whole.path_m_ck,
            self.both_sigma_s_ck / self.moves_s_ck,
        )
        return self.speed_m_s_ck * relative_ck


def second_facts(rows: FactRows, scenes: Scenes, params: FactsParams) -> Iterator[FactBlock]:
    """Yield the facts of whole clips that need the seconds of their frames."""
    end = scenes.frames - 1
    steps_s_ct = np.diff(scenes.time_ns_ct) * 1e-9
    for kind, value_s_c, method in (
        ("video_seconds", scenes.seconds_c(0, end), "from the first frame to the last"),
        ("longest_pause", steps_s_ct.max(axis=1), "longest time between two frames"),
    ):
        yield rows.quantity(
            kind, value_s_c[:, None], TIME_SIGMA_S, about=NOBODY, unit="s", frame="world",
            method=method,
        )  # fmt: skip
    courses = Courses(Trajectories(scenes, 0, end, params))
    yield from _of_one(rows, courses)
    yield from _of_two(rows, courses)


def _of_one(rows: FactRows, courses: Courses) -> Iterator[FactBlock]:
    scenes = courses.whole.scenes
    before_ck, after_ck = courses.rests_before_ck, courses.rests_after_ck
    for kind, value_s_ck, sigma_s_ck, method, seen_ck in (
        ("starts_at", courses.seconds_ck(courses.first_ck), courses.first_sigma_s_ck,
         "time of the last frame at rest", before_ck),
        ("stops_at", courses.seconds_ck(courses.last_ck), courses.last_sigma_s_ck,
         "time of the first frame at rest again", after_ck),
        ("moves_for", courses.moves_s_ck, courses.both_sigma_s_ck,
         "from the last frame at rest to the first at rest again", before_ck | after_ck),
    ):  # fmt: skip
        yield rows.quantity(
            kind, value_s_ck, sigma_s_ck, about=each(scenes.objects), unit="s", frame="world",
            method=method, where=courses.known_ck & seen_ck,
        )  # fmt: skip
    yield rows.quantity(
        "speed_in_motion", courses.speed_m_s_ck, courses.speed_sigma_m_s_ck,
        about=each(scenes.objects), unit="m/s", frame="world",
        method="path length over the time in motion",
        where=courses.known_ck & scenes.metric_c[:, None],
    )  # fmt: skip


def _of_two(rows: FactRows, courses: Courses) -> Iterator[FactBlock]:
    about = pairs(courses.whole.scenes.objects)
    one, other = about.T
    both_known_cp = courses.known_ck[:, one] & courses.known_ck[:, other]
    starts_s_ck = courses.seconds_ck(courses.first_ck)
    yield rows.quantity(
        "between_starts", np.abs(starts_s_ck[:, one] - starts_s_ck[:, other]),
        np.hypot(courses.first_sigma_s_ck[:, one], courses.first_sigma_s_ck[:, other]),
        about=about, unit="s", frame="world", method="times of their last frames at rest",
        where=both_known_cp
        & courses.rests_before_ck[:, one]
        & courses.rests_before_ck[:, other]
        & (courses.first_ck[:, one] != courses.first_ck[:, other]),
    )  # fmt: skip
    speed_m_s_ck, sigma_m_s_ck = courses.speed_m_s_ck, courses.speed_sigma_m_s_ck
    ratio_cp = speed_m_s_ck[:, one] / speed_m_s_ck[:, other]
    relative_ck = sigma_m_s_ck / speed_m_s_ck
    yield rows.quantity(
        "times_as_fast", ratio_cp, ratio_cp * np.hypot(relative_ck[:, one], relative_ck[:, other]),
        about=about, unit="ratio", frame="world",
        method="speeds in motion of the former and the latter", where=both_known_cp,
    )  # fmt: skip
