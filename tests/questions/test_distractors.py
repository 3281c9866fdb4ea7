import numpy as np
import pytest

from p4d.questions.distractors import Counts, Numbers, Words

METRES = Numbers(unit="m", decimals=2, least_gap=0.1)


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ((0.5,), (0.55,), False),  # too near
        ((2.0,), (2.3,), False),  # near in proportion
        ((0.5,), (1.0,), True),
        ((0.05,), (1.2,), False),  # of another scale: the wrong one would be absurd
        ((0.0,), (1.2,), True),
        ((0.0, 0.0, 2.0), (0.0, 0.3, 2.0), True),
    ],
)
def test_which_numbers_may_stand_side_by_side(one, other, fits):
    assert METRES.compatible(one, other) is fits
    assert METRES.compatible(other, one) is fits


@pytest.mark.parametrize(
    ("answer", "text"),
    [((0.349,), "0.35 m"), ((-0.001,), "0.00 m"), ((0.1, -0.25, 2.0), "(0.10, -0.25, 2.00) m")],
)
def test_numbers_are_written_and_read_back(answer, text):
    assert METRES.text(answer) == text
    assert np.allclose(METRES.parse(text), answer, atol=0.005)


def test_counts_are_windows_of_consecutive_integers_led_by_the_scarcest():
    sets = list(Counts().sets({0: 1, 1: 9, 2: 9, 3: 9, 4: 5}, 4))
    assert sets == [(1, 2, 3, 4), (0, 1, 2, 3)]
    assert list(Counts().sets({0: 3, 1: 3, 3: 3, 4: 3}, 4)) == []


def test_words_that_must_be_offered_are_offered_or_nothing_is():
    rule = Words(always=("no",))
    assert list(rule.sets({"a": 5, "b": 4, "c": 3, "d": 2, "no": 1}, 4)) == [("no", "a", "b", "c")]
    assert list(rule.sets({"a": 5, "b": 4, "c": 3, "d": 2}, 4)) == []


def test_distances_single_out_the_nearest_written_value():
    distances = METRES.distances((0.52,), ["0.30 m", "0.52 m", "0.90 m"])
    assert distances == pytest.approx([0.22, 0.0, 0.38])
    assert Words().distances("b", ["a", "b"]) == [1.0, 0.0]
    assert Counts().distances(2, ["1", "2", "3"]) == [1.0, 0.0, 1.0]
