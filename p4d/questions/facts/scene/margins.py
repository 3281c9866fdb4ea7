"""How certain a measurement is: sigmas of positions, lengths and headings, and signed margins.

All functions take arrays of any shape and measure along the last axis, or the last two.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

POSITION_SIGMA_M = 0.005  # float32 storage and the resampling of poses
HALF_PIXEL = 0.5
HEADING_SIGMA_RAD = 0.06  # about 3.5 degrees: no viewer separates headings more finely in a clip
MIN_MOVEMENT_PX = 2.0  # the shortest displacement in the image that counts as motion
MIN_STRAIGHTNESS = 0.8  # displacement over path length; below it, one direction is not meaningful


def beyond(
    extent_m: Floats, threshold_m: float, visible_sigma_m: Floats, rest_sigma_m: Floats
) -> Floats:
    """Return the signed margin of a movement.

    Motion is certain by what a viewer sees, rest by what was measured.
    """
    excess_m = extent_m - threshold_m
    return np.asarray(excess_m / np.where(excess_m > 0, visible_sigma_m, rest_sigma_m))


def excess_of_length(length: Floats | float, sigma: Floats | float) -> Floats:
    """Return by how much noise lengthens a vector on average; `sigma` is its error along each axis.

    This is the mean of a noncentral Maxwell distribution minus its length, evaluated two sigmas
    below `length`, because the measured length may itself be noise.
    """
    shortest = np.maximum(0.0, length - 2 * sigma) / sigma
    apart = np.maximum(shortest, 1e-6)
    mean = (2 / math.pi) ** 0.5 * np.exp(-(apart**2) / 2)
    mean += (apart + 1 / apart) * erf(apart / 2**0.5)
    at_rest = 2 * sigma * (2 / math.pi) ** 0.5
    return np.where(shortest < 1e-6, at_rest, sigma * (mean - shortest))


def length_sigma(length: Floats | float, sigma: Floats | float) -> Floats:
    """Return the error of the length of a vector whose components each err by `sigma`."""
    return np.hypot(sigma, excess_of_length(length, sigma))


def path_sigma_m(
    points_m_t3: Floats, sigma_m: Floats | float, subtracted_m_3: Floats | None = None
) -> Floats:
    """Return the error of the length of a path through points that each err by `sigma_m` per axis.

    An error of an end changes the length by its component along the path; an error of a point
    between changes it in proportion to the turn there. So errors cancel along a straight path and
    add up along a crooked one. A turning object also travels farther than the chords between the
    points: on an arc, by a 24th of the angle squared.

    Args:
        points_m_t3: the points in order, [..., T, 3].
        sigma_m: error of each, [...].
        subtracted_m_3: if a function of the difference of the ends is subtracted from the length,
            its derivative with respect to the last point, [..., 3].
    """
    sigma_m = np.asarray(sigma_m)
    steps_m = points_m_t3[..., 1:, :] - points_m_t3[..., :-1, :]
    lengths_m = row_lengths(steps_m)
    # A step shorter than its own error has no meaningful heading.
    headings = steps_m / np.hypot(lengths_m, sigma_m[..., None])[..., None]
    turns = ((headings[..., 1:, :] - headings[..., :-1, :]) ** 2).sum(axis=-1)
    between_m = (turns * (lengths_m[..., 1:] + lengths_m[..., :-1])).sum(axis=-1) / 24
    excess_m = excess_of_length(lengths_m.sum(axis=-1), 2**0.5 * sigma_m)
    ends: Floats | float = 2.0
    if subtracted_m_3 is not None:
        outer = headings[..., [0, -1], :] - subtracted_m_3[..., None, :]
        ends = (outer**2).sum(axis=(-2, -1))
    along_m = sigma_m * (ends + turns.sum(axis=-1)) ** 0.5
    return np.hypot(np.hypot(along_m, excess_m), between_m)


def row_lengths(vectors: Floats) -> Floats:
    """Lengths along the last axis, to the bit those of `numpy.linalg.norm`."""
    return np.asarray(np.sqrt(np.add.reduce(vectors * vectors, axis=-1)))


def least(values: Floats) -> Floats:
    """The smallest size along the last axis; zero if there is none."""
    if not values.shape[-1]:
        return np.zeros(values.shape[:-1])
    return np.asarray(np.abs(values).min(axis=-1))


def dominant(vectors: ArrayLike) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the largest axis of vectors, its sign, and the angle to the nearest border in sigmas.

    The axis of a NaN counts as the largest; its sign and the angle are NaN.
    """
    components = np.asarray(vectors, np.float64)
    sizes = np.abs(components)
    axis = sizes.argmax(axis=-1)
    first, second = np.moveaxis(np.sort(sizes, axis=-1)[..., [-1, -2]], -1, 0)
    sign = np.sign(np.take_along_axis(components, axis[..., None], axis=-1)[..., 0])
    to_border_rad = math.pi / 4 - np.arctan2(second, first)
    return axis, sign, np.asarray(to_border_rad / HEADING_SIGMA_RAD)
