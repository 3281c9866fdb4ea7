import pytest

from p4d.evaluation.scoring.parsing import parse_answer, parse_number

DIRECTIONS = ["left", "right", "towards the camera", "away from the camera"]
METRES = ["1.5 m", "0.5 m", "15 m", "5 m"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1),
        ("b", 1),
        (" (C) ", 2),
        ("D.", 3),
        ("A. left", 0),
        ("(B) right", 1),
        ("B: because it goes right", 1),
        ("B\nassistant", 1),
        ("The answer is C", 2),
        ("Answer: (D).", 3),
        ("I would say (B), clearly", 1),
        ("left", 0),
        ("Right.", 1),
        ("It moves  towards the camera", 2),
    ],
)
def test_letters_and_option_texts_are_read(text, index):
    assert parse_answer(text, DIRECTIONS) == index


@pytest.mark.parametrize(
    "text",
    [
        "",
        "E",  # not offered
        "up",
        "left or right",
        "A box moves",  # an article
        "(A) or (B)",
        "leftover",
    ],
)
def test_what_names_no_single_option_is_not_guessed(text):
    assert parse_answer(text, DIRECTIONS) is None


@pytest.mark.parametrize(
    ("text", "index"), [("5 m", 3), ("0.5 m", 1), ("about 15 m", 2), ("it is 1.5 m away", 0)]
)
def test_a_number_inside_a_longer_number_is_not_the_answer(text, index):
    assert parse_answer(text, METRES) == index


def test_an_option_inside_a_longer_option_is_distinguished():
    options = ["moving", "not moving"]
    assert parse_answer("it is not moving", options) == 1
    assert parse_answer("it is moving", options) == 0


def test_a_zero_is_an_answer():
    assert parse_answer("0", ["0", "1", "2", "3"]) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.5 m", 2.5), ("about -1,200", -1200.0), ("1 or 2", None), ("far", None), ("0", 0.0)],
)
def test_a_single_number_is_read(text, value):
    assert parse_number(text) == value
