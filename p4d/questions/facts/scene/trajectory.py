"""The trajectory of one object between two frames, and when its motion begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import (
    MIN_STRAIGHTNESS,
    beyond,
    path_sigma_m,
    row_lengths,
    vector_length,
)

STEP_M = 0.02  # between two frames: a longer step is motion, less than a quarter of it is rest
# An onset between two frames has a uniform error: the frame distance over the square root of 12.
ONSET_SIGMA_STEPS = (2.0 / 12.0) ** 0.5


@dataclass(frozen=True)
class Trajectory:
    """The places of one object between two frames.

    Attributes:
        k: index of the object in the scene.
        begin, end: first and last frame.
        points_m_t3: centres in the world, [end + 1 - begin, 3].
        steps_m: distance from each frame to the next.
        sigma_m: error of one place, as a viewer sees it.
        rest_sigma_m: error of the distance between two equal places.
        moves_margin: margin in sigmas; positive: the object changes place, negative: it stays.
        path_m: length of the path.
        seconds: duration.
    """

    k: int
    begin: int
    end: int
    points_m_t3: np.ndarray
    steps_m: np.ndarray
    sigma_m: float
    rest_sigma_m: float
    moves_margin: float
    path_m: float
    seconds: float

    @cached_property
    def moved_m_3(self) -> np.ndarray:
        """Displacement vector."""
        return np.asarray(self.points_m_t3[-1] - self.points_m_t3[0])

    @cached_property
    def displacement_m(self) -> float:
        """Length of the displacement."""
        return vector_length(self.moved_m_3)

    @cached_property
    def path_sigma_m(self) -> float:
        """Error of the length of the path."""
        return path_sigma_m(self.points_m_t3, self.sigma_m)

    @cached_property
    def any_moves(self) -> bool:
        """Whether the object changes place in any step."""
        return bool(self.moves.any())

    @cached_property
    def straight(self) -> bool:
        """Whether the displacement describes the path."""
        return self.path_m * MIN_STRAIGHTNESS <= self.displacement_m

    @cached_property
    def moves(self) -> np.ndarray:
        """For each step, whether the object changes place."""
        return self.steps_m > STEP_M

    @cached_property
    def start(self) -> Onset:
        """When the object begins to move."""
        return _onset(self.points_m_t3, self.moves, 2**0.5 * self.sigma_m)

    @cached_property
    def stop(self) -> Onset:
        """When the object comes to rest: its onset when played backwards."""
        return _onset(self.points_m_t3[::-1], self.moves[::-1], 2**0.5 * self.sigma_m)


@dataclass(frozen=True)
class Onset:
    """When an object begins to move.

    Attributes:
        frame: the first frame of the motion.
        margin: certainty that it rests until then, or moves from the first frame, in sigmas.
        away_t: distance from the first place at each frame, in sigmas.
    """

    frame: int
    margin: float
    away_t: np.ndarray


def _onset(points_m_t3: np.ndarray, moves: np.ndarray, sigma_m: float) -> Onset:
    """Find the onset of a trajectory, given which of its steps change place.

    An object that moves from the start must visibly do so in its first step. An object that rests
    at first would have been seen elsewhere by then, had it moved evenly from the start.
    """
    away_t = row_lengths(points_m_t3 - points_m_t3[0]) / sigma_m
    frame = int(np.argmax(moves))
    rests_again = frame + int(np.argmin(np.append(moves[frame:], False)))
    margin = away_t[1] if frame == 0 else away_t[rests_again] * frame / rests_again
    return Onset(frame, float(margin), away_t)


def onsets_apart(one: Onset, other: Onset) -> float:
    """Return how certain the order of two onsets is, in sigmas.

    The earlier object must be seen to have moved while the later one has not.
    """
    early, late = sorted([one, other], key=lambda onset: onset.frame)
    steps = (late.frame - early.frame) / ONSET_SIGMA_STEPS
    return min(steps, late.margin, float(early.away_t[late.frame]))


def trajectory_of(scene: Scene, k: int, begin: int, end: int, params: FactsParams) -> Trajectory:
    """Cut the trajectory of one object out of a scene."""
    points_m_t3 = scene.centre_m_kt3[k, begin : end + 1]
    steps_m = scene.steps_m_kt[k, begin:end]
    sigma_m = scene.position_sigma_m(k, begin)
    sigma_m += max(0.0, scene.naming_m(k, end) - scene.naming_m(k, begin))
    extent_m = float(row_lengths(points_m_t3 - points_m_t3[0]).max())
    return Trajectory(
        k=k,
        begin=begin,
        end=end,
        points_m_t3=points_m_t3,
        steps_m=steps_m,
        sigma_m=sigma_m,
        rest_sigma_m=scene.rest_of(k),
        moves_margin=beyond(
            extent_m, params.moving_threshold_m, 2**0.5 * sigma_m, scene.rest_of(k)
        ),
        path_m=float(steps_m.sum()),
        seconds=scene.seconds(begin, end),
    )
