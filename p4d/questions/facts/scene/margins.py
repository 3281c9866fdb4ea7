"""How certain a measurement is: sigmas of positions, lengths and headings, and signed margins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

POSITION_SIGMA_M = 0.005  # float32 storage and the resampling of poses
HALF_PIXEL = 0.5
HEADING_SIGMA_RAD = 0.06  # about 3.5 degrees: no viewer separates headings more finely in a clip
MIN_MOVEMENT_PX = 2.0  # the shortest displacement in the image that counts as motion
MIN_STRAIGHTNESS = 0.8  # displacement over path length; below it, one direction is not meaningful


def beyond(
    extent_m: float, threshold_m: float, visible_sigma_m: float, rest_sigma_m: float
) -> float:
    """Return the signed margin of a movement.

    Motion is certain by what a viewer sees, rest by what was measured.
    """
    excess_m = extent_m - threshold_m
    return excess_m / (visible_sigma_m if excess_m > 0 else rest_sigma_m)


def excess_of_length(length: float, sigma: float) -> float:
    """Return by how much noise lengthens a vector on average; `sigma` is its error along each axis.

    This is the mean of a noncentral Maxwell distribution minus its length, evaluated two sigmas
    below `length`, because the measured length may itself be noise.
    """
    shortest = max(0.0, length - 2 * sigma) / sigma
    if shortest < 1e-6:
        return 2 * sigma * (2 / math.pi) ** 0.5
    mean = (2 / math.pi) ** 0.5 * math.exp(-(shortest**2) / 2)
    mean += (shortest + 1 / shortest) * math.erf(shortest / 2**0.5)
    return sigma * (mean - shortest)


def length_sigma(length: float, sigma: float) -> float:
    """Return the error of the length of a vector whose components each err by `sigma`."""
    return math.hypot(sigma, excess_of_length(length, sigma))


def path_sigma_m(
    points_m_t3: np.ndarray, sigma_m: float, subtracted_m_3: np.ndarray | None = None
) -> float:
    """Return the error of the length of a path through points that each err by `sigma_m` per axis.

    An error of an end changes the length by its component along the path; an error of a point
    between changes it in proportion to the turn there. So errors cancel along a straight path and
    add up along a crooked one. A turning object also travels farther than the chords between the
    points: on an arc, by a 24th of the angle squared.

    Args:
        points_m_t3: the points in order.
        sigma_m: error of each.
        subtracted_m_3: if a function of the difference of the ends is subtracted from the length,
            its derivative with respect to the last point.
    """
    steps_m = points_m_t3[1:] - points_m_t3[:-1]
    lengths_m = row_lengths(steps_m)
    # A step shorter than its own error has no meaningful heading.
    headings = steps_m / np.hypot(lengths_m, sigma_m)[:, None]
    turns = ((headings[1:] - headings[:-1]) ** 2).sum(axis=1)
    between_m = float((turns * (lengths_m[1:] + lengths_m[:-1])).sum()) / 24
    excess_m = excess_of_length(float(lengths_m.sum()), 2**0.5 * sigma_m)
    ends = 2.0
    if subtracted_m_3 is not None:
        ends = float(((headings[[0, -1]] - subtracted_m_3) ** 2).sum())
    return math.hypot(sigma_m * (ends + float(turns.sum())) ** 0.5, excess_m, between_m)


def vector_length(vector: np.ndarray) -> float:
    """Length of one vector, to the bit that of `numpy.linalg.norm`, in a fifth of its time."""
    return math.sqrt(vector @ vector)


def row_lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths along the last axis, to the bit those of `numpy.linalg.norm`."""
    return np.asarray(np.sqrt(np.add.reduce(vectors * vectors, axis=-1)))


def dominant(vector: Sequence[float] | np.ndarray) -> tuple[int, float, float]:
    """Return a vector's largest axis, its sign, and the angle to the nearest border in sigmas.

    The axis of a NaN counts as the largest; its sign and the angle are NaN.
    """
    components = vector.tolist() if isinstance(vector, np.ndarray) else list(vector)
    for axis, component in enumerate(components):
        if component != component:
            return axis, math.nan, math.nan
    sizes = [abs(component) for component in components]
    axis = sizes.index(max(sizes))
    to_border_rad = math.pi / 4 - math.atan2(sorted(sizes)[-2], sizes[axis])
    sign = (components[axis] > 0) - (components[axis] < 0)
    return axis, float(sign), to_border_rad / HEADING_SIGMA_RAD
