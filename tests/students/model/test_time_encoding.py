import math

import pytest
import torch

from p4d.students.model.time_encoding import time_encoding


def test_values_of_the_papers_formula():
    encoded = time_encoding(torch.tensor([0.0, 2.0]), 4)
    assert encoded[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    slow = 2.0 / 10_000 ** (2 / 4)
    expected = [math.sin(2.0), math.cos(2.0), math.sin(slow), math.cos(slow)]
    assert encoded[1].tolist() == pytest.approx(expected, abs=1e-7)


def test_a_picture_without_time_gets_nothing():
    assert not time_encoding(torch.tensor([float("nan")]), 8).any()


def test_leading_dimensions_are_kept():
    assert time_encoding(torch.zeros(2, 3), 6).shape == (2, 3, 6)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="even"):
        time_encoding(torch.zeros(1), 5)
