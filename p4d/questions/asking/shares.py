"""Which groups are asked, so that no clip gets more than its share of questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.questions.columns import Hashes, Ints, radix_order, ranks


def within_shares(
    clips: Ints, categories: Ints, shape: tuple[int, int], per_clip: int, per_category: int
) -> NDArray[np.bool_]:
    """Return which groups are asked, so that no clip exceeds its share, in all and per category.

    Groups are taken in the given order; a group with a full clip is left out. The result is that of
    a loop over the groups, but many groups are decided at once.

    Args:
        clips: clip of each member, [groups, size]; the value `n_clips` stands for no clip, which
            always has room.
        categories: of each group.
        shape: number of clips and of categories.
        per_clip: maximum questions of a clip.
        per_category: maximum questions of a clip and category.
    """
    asked = np.zeros(len(clips), dtype=bool)
    size = clips.shape[1] if len(clips) else 1
    n_clips, n_categories = shape
    room_all = np.full(n_clips + 1, per_clip, dtype=np.int64)
    room_some = np.full((n_clips + 1) * n_categories, per_category, dtype=np.int64)
    room_all[n_clips:] = room_some[n_clips * n_categories :] = np.iinfo(np.int64).max // 2
    open_groups = np.arange(len(clips))
    while len(open_groups):
        member_clip = clips[open_groups].ravel()
        member_some = member_clip * n_categories + np.repeat(categories[open_groups], size)
        place_all = _places(member_clip)
        place_some = _places(member_some)
        fits = (place_all < room_all[member_clip]) & (place_some < room_some[member_some])
        taken = fits.reshape(-1, size).all(axis=1)
        asked[open_groups[taken]] = True
        flat = np.repeat(taken, size)
        room_all -= np.bincount(member_clip[flat], minlength=len(room_all))
        room_some -= np.bincount(member_some[flat], minlength=len(room_some))
        # A group that does not fit on its own never will, because room only shrinks.
        need_all = _shares_of_own(member_clip.reshape(-1, size))
        alone = (need_all <= room_all[clips[open_groups]]).all(axis=1) & (
            need_all <= room_some[member_some.reshape(-1, size)]
        ).all(axis=1)
        open_groups = open_groups[~taken & alone]
    return asked


def _places(column: Ints) -> Ints:
    """Return how many equal entries come before each."""
    order = radix_order(column)
    places = np.empty(len(column), dtype=np.int64)
    places[order] = ranks(column[order])
    return places


def _shares_of_own(clips: Ints) -> Ints:
    """Return for each member how many members of its group have the same clip."""
    return np.asarray((clips[:, :, None] == clips[:, None, :]).sum(axis=2))


def in_turns(category: Ints, family: Ints, split: Ints, chance: Hashes) -> Ints:
    """Order groups so that categories take turns, and within each category its families."""
    order = radix_order(chance, family, split)
    round_of_family = np.empty(len(order), dtype=np.int64)
    round_of_family[order] = ranks(split[order], family[order])
    order = radix_order(chance, round_of_family, category, split)
    round_of_category = np.empty(len(order), dtype=np.int64)
    round_of_category[order] = ranks(split[order], category[order])
    return radix_order(chance, category, round_of_category)
