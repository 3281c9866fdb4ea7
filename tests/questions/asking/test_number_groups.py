import numpy as np
import pytest

from p4d.questions.asking.number_groups import Spacing, number_groups
from p4d.questions.columns import mix


def _spacing(n, unit=0.01, least_gap=0.1, least_ratio=0.2, most_ratio=20.0):
    return Spacing(*(np.full(n, x) for x in (unit, least_gap, least_ratio, most_ratio)))


def _numbers(values, sigma=0.02):
    values = np.asarray(values, dtype=float)
    points = np.zeros((len(values), 3))
    points[:, 0] = values
    n = len(values)
    return number_groups(
        np.zeros(n, dtype=np.int64), points, np.full(n, sigma), mix(np.arange(n)), _spacing(n),
        4, 3.0,
    ).members  # fmt: skip


@pytest.mark.parametrize(
    ("values", "fit"),
    [
        ((0.0, 0.31, 0.7, 1.4), True),
        ((0.31, 0.36, 0.7, 1.4), False),  # too near
        ((2.0, 2.3, 4.0, 8.0), False),  # near in proportion
        ((0.05, 0.4, 0.8, 1.2), False),  # of another scale: the wrong one would be absurd
    ],
)
def test_which_numbers_may_stand_side_by_side(values, fit):
    assert len(_numbers(values)) == fit


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_numbers_less_certain_than_their_gaps_find_no_partners(sigma):
    assert len(_numbers((0.0, 0.31, 0.7, 1.4), sigma)) == 0


def test_many_zeros_take_no_places_from_the_few_that_move():
    values = [0.0] * 90 + [0.3, 0.6, 1.0] * 5
    groups = _numbers(values)
    assert len(groups) >= 4
    assert all((np.array(values)[group] == 0).sum() == 1 for group in groups)
