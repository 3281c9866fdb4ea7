from collections import Counter

import numpy as np
import pytest

from p4d.questions.balance import Candidate, deal, draw_group, margin
from p4d.questions.distractors import Numbers, Words

METRES = Numbers(unit="m", decimals=2, least_gap=0.1)


def _words(words, clip="clip_{i}"):
    return [
        Candidate(key=f"ask_{i:04d}", clip_id=clip.format(i=i), answer=word, sigma=0.1)
        for i, word in enumerate(words)
    ]


def _draw(pool, rule, capacity=None, margin_sigma=3.0):
    free = capacity or {c.clip_id: 9 for c in pool}
    return draw_group(pool, rule, size=4, margin_sigma=margin_sigma, capacity=free)


def test_a_group_offers_one_set_of_which_each_is_right_once_at_another_letter():
    group = _draw(_words(["a", "b", "c", "d"] * 3), Words())
    assert len({frozenset(d.options) for d in group}) == 1
    assert sorted(d.options[d.answer_index] for d in group) == ["a", "b", "c", "d"]
    assert sorted(d.answer_index for d in group) == [0, 1, 2, 3]
    assert all(d.options[d.answer_index] == d.candidate.answer for d in group)


def test_numbers_become_each_others_wrong_options():
    values = (0.0, 0.31, 0.7, 1.4)
    pool = [
        Candidate(key=f"ask_{i}", clip_id=f"clip_{i}", answer=(value,), sigma=0.02)
        for i, value in enumerate(values)
    ]
    group = _draw(pool, METRES)
    assert {frozenset(d.options) for d in group} == {
        frozenset({"0.00 m", "0.31 m", "0.70 m", "1.40 m"})
    }
    assert all(d.margin_sigma >= 3 for d in group)


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_numbers_less_certain_than_their_gaps_find_no_partners(sigma):
    values = (0.0, 0.31, 0.7, 1.4)
    pool = [
        Candidate(key=f"ask_{i}", clip_id=f"clip_{i}", answer=(v,), sigma=0.02 if i else sigma)
        for i, v in enumerate(values)
    ]
    assert _draw(pool, METRES) is None


def test_a_clip_gives_no_more_than_its_room():
    pool = _words(["a", "b", "c", "d"], clip="clip_x")
    assert _draw(pool, Words(), {"clip_x": 3}) is None
    assert len(_draw(pool, Words(), {"clip_x": 4})) == 4


def test_a_missing_answer_gives_no_group():
    assert _draw(_words(["a", "b", "c"] * 5), Words()) is None


def test_wrong_options_have_no_favourite_place():
    places = Counter()
    for i in range(400):
        members = [
            Candidate(key=f"ask_{i}_{word}", clip_id="clip_x", answer=word, sigma=0.1)
            for word in "abcd"
        ]
        for dealt in deal(members, Words()):
            for place, option in enumerate(dealt.options):
                if option != dealt.candidate.answer:
                    places[(option, place)] += 1
    # 400 groups of 3 wrong "a" over 4 places: 300 each, deviation 15.
    assert max(abs(count - 300) for count in places.values()) < 75


def test_margin_is_the_lead_of_the_nearest_option_in_sigmas():
    assert margin(METRES, (0.5,), 0.05, ["0.50 m", "0.80 m", "0.10 m"]) == pytest.approx(6.0)
    assert np.isclose(margin(Words(), "a", 0.25, ["a", "b"]), 4.0)
