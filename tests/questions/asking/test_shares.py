from collections import Counter

import numpy as np

from p4d.questions.asking.shares import within_shares


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
