import numpy as np
import pytest

from p4d.questions.asking.option_rules import Counts, Numbers, Words, margin, written

METRES = Numbers(unit="m", decimals=2, least_gap=0.1)


@pytest.mark.parametrize(
    ("answer", "text"),
    [((0.349,), "0.35 m"), ((-0.001,), "0.00 m"), ((0.1, -0.25, 2.0), "(0.10, -0.25, 2.00) m")],
)
def test_numbers_are_written_and_read_back(answer, text):
    assert METRES.write(METRES.rounded(np.array([answer]))) == [text]
    assert np.allclose(METRES.parse(text), answer, atol=0.005)


def test_whole_numbers_have_no_point():
    assert written(np.array([3, -2, 0]), 0).tolist() == ["3", "-2", "0"]


def test_words_have_four_options_and_numbers_as_many_as_asked_for():
    assert [Words().size(5), Counts().size(5), METRES.size(5)] == [4, 5, 5]


def test_distances_single_out_the_nearest_written_value():
    distances = METRES.distances((0.52,), ["0.30 m", "0.52 m", "0.90 m"])
    assert distances == pytest.approx([0.22, 0.0, 0.38])
    assert Words().distances("b", ["a", "b"]) == [1.0, 0.0]
    assert Counts().distances(2, ["1", "2", "3"]) == [1.0, 0.0, 1.0]


def test_margin_is_the_lead_of_the_nearest_option_in_sigmas():
    assert margin(METRES, (0.5,), 0.05, ["0.50 m", "0.80 m", "0.10 m"]) == pytest.approx(6.0)
    assert np.isclose(margin(Words(), "a", 0.25, ["a", "b"]), 4.0)
