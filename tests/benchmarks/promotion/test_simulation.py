"""Promotions of challengers that are no better stay under the stated rate, however many try."""

import math

import numpy as np
import pytest

from benchmarks.promotion.simulation import HeldOut, false_promotions, lower_bounds, power, spent
from p4d.evaluation.scoring.cluster_t import ClusterT, cluster_t_bounds

ALPHA, SETS = 0.05, 1500


@pytest.mark.parametrize("groups", [20, 60])
def test_a_hundred_challengers_that_are_no_better_rarely_promote_one(groups):
    held_out = HeldOut(groups=groups, questions=15)
    rate = false_promotions(held_out, alpha=ALPHA, tries=100, sets=SETS, spending=True)
    allowed = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / SETS)
    assert rate <= allowed
    # The control of this test: at a fixed rate most sets promote one in the end.
    fixed = false_promotions(held_out, alpha=ALPHA, tries=100, sets=200, spending=False)
    assert fixed > 0.4


def test_the_parts_of_all_tries_together_are_alpha():
    assert spent(ALPHA, 100).sum() < ALPHA
    assert spent(ALPHA, 100_000).sum() == pytest.approx(ALPHA, rel=1e-4)


def test_a_better_student_is_promoted_early_and_a_much_better_one_late():
    held_out = HeldOut(groups=60, questions=15)

    def found(gain, number):
        return power(held_out, gain=gain, alpha=ALPHA, number=number, sets=400)

    assert found(0.1, 1) > 0.95
    assert found(0.15, 100) > 0.75
    assert found(0.02, 100) < found(0.02, 1) < 0.5


@pytest.mark.parametrize("tail", [0.025, 0.001])
def test_one_bound_errs_at_its_rate(tail):
    held_out = HeldOut(groups=20, questions=15)
    rng = np.random.default_rng(1)
    low = np.concatenate(
        [lower_bounds(held_out, np.zeros(50), np.full(50, tail), rng) for _ in range(2000)]
    )
    assert (low > 0).mean() < 1.4 * tail


def test_bounds_agree_with_the_textbook_for_clusters_of_one():
    values = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    low, high = cluster_t_bounds(values, np.ones(8), 0.025)
    standard_error = values.std(ddof=1) / math.sqrt(8)
    assert (high - low) / 2 == pytest.approx(2.364624 * standard_error, rel=1e-5)
    interval = ClusterT(0.025).interval(values, list("abcdefgh"), seed=0, bounds=(0.0, 1.0))
    assert (interval.value, interval.n, interval.clusters) == (0.625, 8, 8)
    assert interval.high == pytest.approx(min(float(high), 1.0), abs=1e-6)


def test_a_single_cluster_says_nothing():
    interval = ClusterT(0.01).interval([1.0, 1.0], ["a", "a"], seed=0, bounds=(-1.0, 1.0))
    assert (interval.low, interval.high) == (-1.0, 1.0)
