from collections import Counter

import pytest

from benchmarks.scores.forms import NOTHING, REPLY_OPTIONS, cases, replies
from p4d.evaluation.reading.choices import read_choice

METRES = ("1.5 m", "0.5 m", "15 m", "5 m")


def test_every_form_with_every_option_is_read_and_none_is_misread():
    written = list(cases())
    assert len({case.text for case in written}) > 2000
    wrong = [case for case in written if read_choice(case.text, case.options) != case.index]
    assert not wrong, wrong[:5]
    assert Counter(case.index is None for case in written)[True] > 500
    assert any(case.form == NOTHING for case in written)


@pytest.mark.parametrize("case", list(replies()), ids=lambda case: case.text[:40])
def test_a_reply_is_read_as_a_person_reads_it(case):
    assert read_choice(case.text, case.options) == case.index


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("5 m", 3),
        ("0.5 m", 1),
        (".5 m", 1),
        ("0.50m", 1),
        ("about 15 m", 2),
        ("it is 1.5 m away", 0),
        ("-5 m", None),
        ("5 m/s", None),
        ("5 mm", None),
        ("500 cm", None),
        ("2.5 m", None),
        ("1.5", 0),
        ("1.5 or 5 m", None),
    ],
)
def test_a_number_is_the_option_only_with_its_sign_decimals_and_unit(text, index):
    assert read_choice(text, METRES) == index


def test_a_sign_distinguishes_two_options():
    options = ("3.74 m/s", "-3.74 m/s", "0.6 m/s", "6 m/s")
    assert read_choice("-3.74m/s", options) == 1
    assert read_choice("−3.74 m/s", options) == 1
    assert read_choice("The answer is -3.74 m/s.", options) == 1
    assert read_choice(".6 m/s", options) == 2
    assert read_choice("６ m/s", options) == 3


def test_thousands_are_one_number():
    options = ("1,200 m", "1.2 m", "200 m", "12 m")
    assert read_choice("1200 m", options) == 0
    assert read_choice("The answer is 1,200 m.", options) == 0


def test_an_option_inside_a_longer_option_is_distinguished():
    options = ("moving", "not moving")
    assert read_choice("it is not moving", options) == 1
    assert read_choice("it is moving", options) == 0


def test_equal_options_are_not_told_apart_by_their_text():
    assert read_choice("left", ("left", "left", "right")) is None
    assert read_choice("B", ("left", "left", "right")) == 1


def test_a_letter_and_the_text_of_another_option_contradict():
    assert read_choice("A. right", REPLY_OPTIONS["directions"]) is None


def test_a_question_without_options_states_none():
    assert read_choice("A", ()) is None
