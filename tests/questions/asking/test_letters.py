from collections import Counter

import numpy as np

from p4d.questions.asking.letters import deal
from p4d.questions.columns import mix


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
