from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4d.questions.asking.balance import (
    Spacing,
    count_groups,
    deal,
    mix,
    number_groups,
    radix_order,
    within_shares,
    word_groups,
)


def _columns(counts):
    """One pool with so many candidates of each word."""
    word = np.repeat(np.arange(len(counts)), counts)
    return np.zeros(len(word), dtype=np.int64), word, np.arange(len(word))


def _most(counts, size):
    """The largest number of groups by trying: what McNaughton's bound says."""
    return max(
        (g for g in range(sum(counts) + 1) if sum(min(c, g) for c in counts) >= size * g), default=0
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=7), st.integers(2, 5))
def test_words_make_as_many_groups_as_can_be_made(counts, size):
    pool, word, turn = _columns(counts)
    groups = word_groups(pool, word, turn, size).members
    assert len(groups) == _most(counts, size)
    assert len(np.unique(groups)) == groups.size
    assert all(len(set(word[group])) == size for group in groups)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=6), st.integers(0, 1))
def test_a_word_that_must_be_offered_is_in_every_group(counts, always):
    pool, word, turn = _columns(counts)
    groups = word_groups(pool, word, turn, 3, (always,)).members
    others = [c for w, c in enumerate(counts) if w != always]
    assert len(groups) == min(counts[always], _most(others, 2))
    for group in groups:
        assert always in word[group]
        assert len(set(word[group])) == 3


def test_pools_do_not_lend_each_other_words():
    pool = np.array([0, 0, 0, 1, 1, 1, 1])
    word = np.array([0, 1, 2, 0, 1, 2, 3])
    groups = word_groups(pool, word, np.arange(7), 4)
    assert groups.pool.tolist() == [1]
    assert sorted(groups.members[0]) == [3, 4, 5, 6]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=7))
def test_counts_are_offered_in_consecutive_windows(counts):
    pool, word, turn = _columns(counts)
    groups = count_groups(pool, word, turn, 4).members
    assert len(np.unique(groups)) == groups.size
    for group in groups:
        low = word[group].min()
        assert sorted(word[group]) == list(range(low, low + 4))
    # From the lowest up, one window after the other, cannot make more.
    left, most = list(counts), 0
    for low in range(len(counts) - 3):
        drawn = min(left[low : low + 4])
        left[low : low + 4] = [c - drawn for c in left[low : low + 4]]
        most += drawn
    assert len(groups) == most


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


def _members(n_groups, clips):
    rng = np.random.default_rng(3)
    return rng.integers(0, clips, (n_groups, 4)), rng.integers(0, 3, n_groups)


def test_shares_are_those_of_going_through_the_groups_one_by_one():
    clips, categories = _members(400, 15)
    asked = within_shares(clips, categories, (15, 3), 18, 8)
    by_clip, by_both = Counter(), Counter()
    for group, category, taken in zip(clips, categories, asked, strict=True):
        own = Counter(group.tolist())
        fits = all(by_clip[c] + n <= 18 and by_both[(c, category)] + n <= 8 for c, n in own.items())
        assert taken == fits
        if taken:
            by_clip.update(own)
            by_both.update({(c, category): n for c, n in own.items()})
    assert 0 < asked.sum() < len(asked)


def test_each_letter_is_right_once_per_group_and_options_are_the_answers():
    groups = np.arange(40).reshape(10, 4)
    letters, orders = deal(groups, mix(np.arange(40)))
    assert np.array_equal(np.sort(letters, axis=1), np.tile(np.arange(4), (10, 1)))
    assert (np.sort(orders, axis=2) == np.arange(4)).all()
    right = np.take_along_axis(orders, letters[:, :, None], axis=2)[..., 0]
    assert (right == np.arange(4)).all()


def test_wrong_options_have_no_favourite_place():
    groups = np.arange(1600).reshape(400, 4)
    letters, orders = deal(groups, mix(np.arange(1600)))
    places = Counter()
    for member in range(4):
        for place in range(4):
            wrong = orders[:, member, place][letters[:, member] != place]
            places.update((member, place, int(other)) for other in wrong)
    # 400 groups, 3 wrong options of a member over 4 places: 100 each, deviation 9.
    assert max(abs(count - 100) for count in places.values()) < 45


def test_the_order_of_members_changes_no_option():
    groups = np.arange(40).reshape(10, 4)
    key = mix(np.arange(40))
    letters, orders = deal(groups, key)
    turned, turned_orders = deal(groups[:, ::-1], key)
    assert np.array_equal(turned, letters[:, ::-1])
    texts = np.take_along_axis(groups[:, None, :], orders.reshape(10, 4, 4), axis=2)
    turned_texts = np.take_along_axis(groups[:, None, ::-1], turned_orders, axis=2)
    assert np.array_equal(turned_texts, texts[:, ::-1])


def test_hashes_do_not_change_from_machine_to_machine():
    assert mix(np.array([1, 2]), "x", 3).tolist() == mix(np.array([1, 2]), "x", 3).tolist()
    assert len(set(mix(np.arange(1000)).tolist())) == 1000


def test_columns_are_ordered_as_numpy_would():
    rng = np.random.default_rng(0)
    for n in (0, 1, 1000):
        columns = [
            rng.integers(0, 2**64, n, dtype=np.uint64, endpoint=False),
            rng.integers(-(2**40), 2**40, n),
            rng.integers(0, 7, n),
            np.zeros(n, dtype=np.int64),
        ]
        assert np.array_equal(radix_order(*columns), np.lexsort(columns))
        few = [rng.integers(-2, 3, n), rng.integers(0, 3, n)]
        assert np.array_equal(radix_order(*few), np.lexsort(few))
