"""Rotations accumulated over the frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p4d.questions.facts.scene.margins import excess_of_length, row_lengths

TURN_SIGMA_RAD = 0.03
MAX_STEP_RAD = 2.4  # a larger turn between two frames may be one in the opposite sense


@dataclass(frozen=True)
class AccumulatedTurn:
    """A rotation over several frames."""

    sum_rad: np.ndarray  # [3], signed, about the axes of the world
    vertical_rad: float  # signed, about world z
    level_rad: float  # sum of sizes about level axes
    total_rad: float
    total_sigma_rad: float
    largest_step_rad: float


def turn_of(rotations_t33: np.ndarray) -> AccumulatedTurn:
    """Accumulate the rotations from frame to frame, in the world."""
    return StepTurns(rotations_t33).between(0, len(rotations_t33) - 1)


class StepTurns:
    """The turns of an object from each frame of a clip to the next."""

    def __init__(self, rotations_t33: np.ndarray) -> None:
        steps_t33 = rotations_t33[1:] @ np.swapaxes(rotations_t33[:-1], -1, -2)
        self._vectors = rotation_vectors(steps_t33)
        self._angles = row_lengths(self._vectors)
        self._level = row_lengths(self._vectors[:, :2])
        sigma_rad = TURN_SIGMA_RAD / 3**0.5
        self._excess = [excess_of_length(angle, sigma_rad) for angle in self._angles.tolist()]

    def between(self, begin: int, end: int) -> AccumulatedTurn:
        """The turn from one frame to a later one."""
        vectors, angles = self._vectors[begin:end], self._angles[begin:end]
        return AccumulatedTurn(
            sum_rad=vectors.sum(axis=0),
            vertical_rad=float(vectors[:, 2].sum()),
            level_rad=float(self._level[begin:end].sum()),
            total_rad=float(angles.sum()),
            # Angles are never negative: the errors of the steps add up where little or nothing
            # turns.
            total_sigma_rad=TURN_SIGMA_RAD + sum(self._excess[begin:end]),
            largest_step_rad=float(angles.max(initial=0.0)),
        )


def rotation_vectors(rotations_t33: np.ndarray) -> np.ndarray:
    """Axis times angle of rotations by less than pi, [T, 3]."""
    r = rotations_t33
    twice_sine = np.stack(
        [r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], axis=1
    )
    length = row_lengths(twice_sine)
    angle = np.arctan2(length, np.trace(r, axis1=1, axis2=2) - 1.0)
    scale = np.divide(angle, length, out=np.zeros_like(angle), where=length >= 1e-9)
    return np.asarray(twice_sine * scale[:, None])
