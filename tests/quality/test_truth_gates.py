"""Gates of stage `clips` on truth: good truth passes, each planted convention is named."""

import pytest

from benchmarks.reality.conventions import ALL_VIDEOS, PLANTED, caught, fitted, world
from p4d.quality.code_gates import truth_explains_the_pictures

WORLDS = 4


@pytest.fixture(scope="module")
def worlds():
    return [world(number) for number in range(WORLDS)]


@pytest.mark.parametrize("kind", PLANTED)
def test_a_truth_in_another_convention_fails_a_gate_and_a_good_one_none(worlds, kind):
    rows = [row for number, video in enumerate(worlds) for row in fitted(video, kind, number)]
    by_coverage, by_picture = caught(rows)
    if kind == "good":
        assert (by_coverage, by_picture) == (set(), set())
    else:
        assert ALL_VIDEOS in by_picture


def test_a_version_without_fits_has_nothing_to_compare(tmp_path):
    metrics, offenders = truth_explains_the_pictures("clips", {"clips": tmp_path})
    assert (metrics, len(offenders)) == ({"videos": 0}, 0)
