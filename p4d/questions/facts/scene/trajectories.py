"""The paths of objects between two frames, and when their motion begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.scene.margins import (
    MIN_STRAIGHTNESS,
    Bools,
    Floats,
    Ints,
    beyond,
    path_sigma_m,
    row_lengths,
)
from p4d.questions.facts.scene.stack import Scenes

STEP_M = 0.02  # between two frames: a longer step is motion, less than a quarter of it is rest
# An onset between two frames has a uniform error: the frame distance over the square root of 12.
ONSET_SIGMA_STEPS = (2.0 / 12.0) ** 0.5


@dataclass(frozen=True)
class Trajectories:
    """The paths of all objects of a stack of scenes between two frames.

    Attributes:
        scenes: the geometry.
        begin, end: first and last frame.
        params: from when on a movement counts.
    """

    scenes: Scenes
    begin: int
    end: int
    params: FactsParams

    @property
    def whole(self) -> bool:
        """Whether the interval is the whole clip."""
        return self.begin == 0 and self.end == self.scenes.frames - 1

    @cached_property
    def points_m_ckt3(self) -> Floats:
        """Centres in the world, [C, K, end + 1 - begin, 3]."""
        return self.scenes.centre_m_ckt3[:, :, self.begin : self.end + 1]

    @cached_property
    def steps_m_ckt(self) -> Floats:
        """Distances from each frame to the next."""
        return self.scenes.steps_m_ckt[:, :, self.begin : self.end]

    @cached_property
    def range_m_ckt(self) -> Floats:
        """Distances from the camera at each frame."""
        return self.scenes.range_m_ckt[:, :, self.begin : self.end + 1]

    @cached_property
    def sigma_m_ck(self) -> Floats:
        """Error of one place, as a viewer sees it."""
        naming_m_ckt = self.scenes.naming_m_ckt
        grown_m_ck = naming_m_ckt[:, :, self.end] - naming_m_ckt[:, :, self.begin]
        return self.scenes.position_sigma_m_ckt[:, :, self.begin] + np.maximum(0.0, grown_m_ck)

    @property
    def rest_sigma_m_ck(self) -> Floats:
        """Error of the distance between two equal places."""
        return self.scenes.rest_sigma_m_ck

    @cached_property
    def moves_margin_ck(self) -> Floats:
        """Margin in sigmas; positive: the object changes place, negative: it stays."""
        away_m_ckt = row_lengths(self.points_m_ckt3 - self.points_m_ckt3[:, :, :1])
        return beyond(
            away_m_ckt.max(axis=-1), self.params.moving_threshold_m, 2**0.5 * self.sigma_m_ck,
            self.rest_sigma_m_ck,
        )  # fmt: skip

    @cached_property
    def path_m_ck(self) -> Floats:
        """Length of the path."""
        return np.asarray(self.steps_m_ckt.sum(axis=-1))

    @cached_property
    def path_sigma_m_ck(self) -> Floats:
        """Error of the length of the path."""
        return path_sigma_m(self.points_m_ckt3, self.sigma_m_ck)

    @cached_property
    def seconds_c(self) -> Floats:
        """Duration."""
        return self.scenes.seconds_c(self.begin, self.end)

    @cached_property
    def moved_m_ck3(self) -> Floats:
        """Displacement vector."""
        return np.asarray(self.points_m_ckt3[:, :, -1] - self.points_m_ckt3[:, :, 0])

    @cached_property
    def displacement_m_ck(self) -> Floats:
        """Length of the displacement."""
        return row_lengths(self.moved_m_ck3)

    @cached_property
    def level_m_ck3(self) -> Floats:
        """Displacement to the right, up and ahead."""
        return (self.scenes.level_axes_c33[:, None] @ self.moved_m_ck3[..., None])[..., 0]

    @cached_property
    def straight_ck(self) -> Bools:
        """Whether the displacement describes the path."""
        return np.asarray(self.path_m_ck * MIN_STRAIGHTNESS <= self.displacement_m_ck)

    @cached_property
    def moves_ckt(self) -> Bools:
        """For each step, whether the object changes place."""
        return np.asarray(self.steps_m_ckt > STEP_M)

    @cached_property
    def any_moves_ck(self) -> Bools:
        """Whether the object changes place in any step."""
        return np.asarray(self.moves_ckt.any(axis=-1))

    @cached_property
    def creeps_ck(self) -> Bools:
        """Whether a step is neither rest nor motion."""
        return np.asarray(((self.steps_m_ckt > STEP_M / 4) & ~self.moves_ckt).any(axis=-1))

    @cached_property
    def start(self) -> Onsets:
        """When the objects begin to move."""
        return _onsets(self.points_m_ckt3, self.moves_ckt, 2**0.5 * self.sigma_m_ck)

    @cached_property
    def stop(self) -> Onsets:
        """When the objects come to rest: their onsets when played backwards."""
        backwards_m_ckt3, moves_ckt = self.points_m_ckt3[:, :, ::-1], self.moves_ckt[:, :, ::-1]
        return _onsets(backwards_m_ckt3, moves_ckt, 2**0.5 * self.sigma_m_ck)

    @cached_property
    def one_motion_ck(self) -> Bools:
        """Whether the object moves in all steps from its start to its stop."""
        step_t = np.arange(self.moves_ckt.shape[-1])
        last_ck = len(step_t) - self.stop.frame_ck
        outside_ckt = (step_t < self.start.frame_ck[..., None]) | (step_t >= last_ck[..., None])
        return np.asarray((self.moves_ckt | outside_ckt).all(axis=-1))


@dataclass(frozen=True)
class Onsets:
    """When objects begin to move.

    Attributes:
        frame_ck: the first frame of the motion.
        margin_ck: certainty that it rests until then, or moves from the first frame, in sigmas.
        away_ckt: distance from the first place at each frame, in sigmas.
    """

    frame_ck: Ints
    margin_ck: Floats
    away_ckt: Floats

    def of(self, objects_p: Ints) -> Onsets:
        """The onsets of some objects, [C, P]."""
        return Onsets(
            self.frame_ck[:, objects_p], self.margin_ck[:, objects_p], self.away_ckt[:, objects_p]
        )


def _onsets(points_m_ckt3: Floats, moves_ckt: Bools, sigma_m_ck: Floats) -> Onsets:
    """Find the onsets of trajectories, given which of their steps change place.

    An object that moves from the start must visibly do so in its first step. An object that rests
    at first would have been seen elsewhere by then, had it moved evenly from the start.
    """
    away_ckt = row_lengths(points_m_ckt3 - points_m_ckt3[:, :, :1]) / sigma_m_ck[..., None]
    frame_ck = moves_ckt.argmax(axis=-1)
    rests_ckt = ~moves_ckt & (np.arange(moves_ckt.shape[-1]) >= frame_ck[..., None])
    at_last = np.ones((*rests_ckt.shape[:-1], 1), bool)
    rests_again_ck = np.append(rests_ckt, at_last, axis=-1).argmax(axis=-1)
    evenly_ck = at_frame(away_ckt, rests_again_ck) * frame_ck / rests_again_ck
    return Onsets(frame_ck, np.where(frame_ck == 0, away_ckt[..., 1], evenly_ck), away_ckt)


def at_frame(values_ckt: Floats, frame_ck: Ints) -> Floats:
    """The values of objects, each at a frame of its own."""
    return np.take_along_axis(values_ckt, frame_ck[..., None], axis=-1)[..., 0]


def onsets_apart(one: Onsets, other: Onsets) -> Floats:
    """Return how certain the order of two onsets is, in sigmas.

    The earlier object must be seen to have moved while the later one has not.
    """
    first = one.frame_ck <= other.frame_ck
    late_ck = np.maximum(one.frame_ck, other.frame_ck)
    steps_ck = np.abs(other.frame_ck - one.frame_ck) / ONSET_SIGMA_STEPS
    late_margin_ck = np.where(first, other.margin_ck, one.margin_ck)
    away_ck = np.where(first, at_frame(one.away_ckt, late_ck), at_frame(other.away_ckt, late_ck))
    return np.minimum(np.minimum(steps_ck, late_margin_ck), away_ck)
