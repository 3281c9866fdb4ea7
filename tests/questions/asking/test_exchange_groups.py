import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from p4d.questions.asking.exchange_groups import count_groups, word_groups


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
