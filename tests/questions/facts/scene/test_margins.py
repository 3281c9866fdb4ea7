"""Lengths and headings of vectors."""

import math

import numpy as np

from p4d.questions.facts.scene.margins import (
    HEADING_SIGMA_RAD,
    dominant,
    row_lengths,
)


def test_lengths_are_those_of_numpy_to_the_bit():
    rng = np.random.default_rng(7)
    for count in (1, 3, 8):
        vectors = rng.normal(size=(count, 3)) * 10.0 ** rng.integers(-9, 9, (count, 1))
        assert (row_lengths(vectors) == np.linalg.norm(vectors, axis=1)).all()


def test_the_largest_axis_its_sign_and_the_angle_to_the_next_one():
    axis, sign, margin = dominant(np.array([0.5, -2.0, 1.0]))
    assert (axis, sign) == (1, -1.0)
    assert math.isclose(margin * HEADING_SIGMA_RAD, math.pi / 4 - math.atan2(1.0, 2.0))
    assert dominant([3.0, 3.0])[2] == 0.0  # on the border between two directions
    assert dominant([0.0, 0.0])[:2] == (0, 0.0)


def test_a_component_that_is_not_known_has_no_margin():
    axis, sign, margin = dominant([1.0, math.nan])
    assert axis == 1
    assert math.isnan(sign)
    assert math.isnan(margin)
