"""The letters of the right answers, and the order of the options."""

from __future__ import annotations

import numpy as np

from p4d.questions.columns import Hashes, Ints, mix

LETTERS = "ABCDE"


def deal(groups: Ints, key: Hashes) -> tuple[Ints, Ints]:
    """Deal the letters of the right answers and the orders of the options.

    Args:
        groups: members, [groups, size].
        key: hash of every candidate.

    Returns:
        The place of each member's answer, [groups, size]: each place once per group. The member
        whose answer is at each place of each member's options, [groups, size, size].
    """
    n, size = groups.shape
    # By key, so that the result is independent of the order of candidates and of answers.
    by_key = np.argsort(key[groups], axis=1)
    sorted_keys = np.take_along_axis(key[groups], by_key, axis=1)
    together = np.zeros(n, dtype=np.uint64)
    for column in range(size):
        together = mix(together, sorted_keys[:, column])
    chance = np.stack([mix(together, slot) for slot in range(size)], axis=1)
    letters_by_key = np.argsort(chance, axis=1, kind="stable")
    letters = np.empty_like(letters_by_key)
    np.put_along_axis(letters, by_key, letters_by_key, axis=1)
    # Each member draws an order of the others.
    chance = np.stack(
        [mix(key[groups], together[:, None], key[groups[:, [slot]]]) for slot in range(size)],
        axis=2,
    )
    return letters, _orders(chance, letters)


def _orders(chance: Hashes, letters: Ints) -> Ints:
    """Return the member whose answer is at each place, [groups, size, size]; own answers fixed."""
    n, size, _ = chance.shape
    own = np.broadcast_to(np.arange(size)[None, :, None], (n, size, 1))
    # Own answers last, so that the first `size - 1` are the wrong ones in random order.
    chance = chance.copy()
    np.put_along_axis(chance, own, np.uint64(2**64 - 1), axis=2)
    wrong = np.argsort(chance, axis=2, kind="stable")[:, :, : size - 1]
    places = np.broadcast_to(np.arange(size)[None, None, :], (n, size, size))
    before = places < letters[:, :, None]
    source = np.where(before, places, places - 1).clip(0, size - 2)
    orders = np.take_along_axis(wrong, source, axis=2)
    np.put_along_axis(orders, letters[:, :, None], own, axis=2)
    return np.asarray(orders)
