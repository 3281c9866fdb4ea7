import pytest

from p4d.evaluation.benchmarks.published_rules import (
    first_letter,
    last_or_named_letter,
    leading_letter,
)


@pytest.mark.parametrize(
    ("text", "index"),
    [("The answer is (C).", 2), ("B", 1), ("left, so B", 1), ("Answer: D", 3), ("none", None)],
)
def test_r4d_bench_takes_the_first_letter(text, index):
    assert first_letter(text, 4) == index


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("(A) or (B)", 0),
        ("Answer: B", 1),
        ("option d", 3),
        ("it is C", 2),
        ("3.74", None),
        ("", None),
    ],
)
def test_sti_bench_takes_a_named_letter_or_the_last_character(text, index):
    assert last_or_named_letter(text, 5) == index


@pytest.mark.parametrize(
    ("text", "index"), [("b. right", 1), ("C", 2), ("E", None), ("right", None), ("", None)]
)
def test_vlm4d_takes_the_first_word(text, index):
    assert leading_letter(text, 4) == index
