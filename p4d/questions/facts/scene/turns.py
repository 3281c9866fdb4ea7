"""Rotations accumulated over the frames of clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p4d.questions.facts.scene.margins import Floats, excess_of_length, row_lengths

TURN_SIGMA_RAD = 0.03
MAX_STEP_RAD = 2.4  # a larger turn between two frames may be one in the opposite sense


@dataclass(frozen=True)
class AccumulatedTurns:
    """Rotations over several frames, arrays of one shape [...].

    Attributes:
        sum_rad_3: signed, about the axes of the world, [..., 3].
        vertical_rad: signed, about world z.
        level_rad: sum of sizes about level axes.
        total_rad, total_sigma_rad: sum of the angles from frame to frame, and its error.
        largest_step_rad: largest angle from a frame to the next.
    """

    sum_rad_3: Floats
    vertical_rad: Floats
    level_rad: Floats
    total_rad: Floats
    total_sigma_rad: Floats
    largest_step_rad: Floats


class StepTurns:
    """The turns from each frame of a clip to the next, of rotations [..., T, 3, 3]."""

    def __init__(self, rotations_t33: Floats) -> None:
        before, after = rotations_t33[..., :-1, :, :], rotations_t33[..., 1:, :, :]
        self._vectors = rotation_vectors(after @ np.swapaxes(before, -1, -2))
        self._angles = row_lengths(self._vectors)
        self._level = row_lengths(self._vectors[..., :2])
        self._excess = excess_of_length(self._angles, TURN_SIGMA_RAD / 3**0.5)

    def between(self, begin: int, end: int) -> AccumulatedTurns:
        """The turns from one frame to a later one."""
        vectors, angles = self._vectors[..., begin:end, :], self._angles[..., begin:end]
        sum_rad_3 = vectors.sum(axis=-2)
        return AccumulatedTurns(
            sum_rad_3=sum_rad_3,
            vertical_rad=sum_rad_3[..., 2],
            level_rad=self._level[..., begin:end].sum(axis=-1),
            total_rad=angles.sum(axis=-1),
            # Angles are never negative: the errors of the steps add up where little or nothing
            # turns.
            total_sigma_rad=TURN_SIGMA_RAD + self._excess[..., begin:end].sum(axis=-1),
            largest_step_rad=angles.max(axis=-1, initial=0.0),
        )


def rotation_vectors(rotations_33: Floats) -> Floats:
    """Axis times angle of rotations by less than pi, [..., 3]."""
    r = rotations_33
    twice_sine = np.stack(
        [
            r[..., 2, 1] - r[..., 1, 2],
            r[..., 0, 2] - r[..., 2, 0],
            r[..., 1, 0] - r[..., 0, 1],
        ],
        axis=-1,
    )
    length = row_lengths(twice_sine)
    angle = np.arctan2(length, np.trace(r, axis1=-2, axis2=-1) - 1.0)
    scale = np.divide(angle, length, out=np.zeros_like(angle), where=length >= 1e-9)
    return np.asarray(twice_sine * scale[..., None])
