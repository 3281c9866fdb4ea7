"""Object ids of any size, renumbered to 1..255 as instance maps hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from p4d.truth.checks import MAX_INSTANCE


def renumbered(
    ids_by_frame: Iterable[NDArray[np.integer] | None], most: int = MAX_INSTANCE
) -> Mapping[int, int]:
    """The table from a dataset's ids to instances.

    Args:
        ids_by_frame: maps of ids, 0 is background; read once, one at a time.
        most: objects to keep: those with most pixels in all frames.

    Returns:
        Instances 1, 2, ... by id, in the order of the ids. Write 0 for pixels of other ids.
    """
    pixels: dict[int, int] = {}
    for ids_hw in ids_by_frame:
        if ids_hw is None:
            continue
        for number, count in zip(*np.unique(ids_hw, return_counts=True), strict=True):
            pixels[int(number)] = pixels.get(int(number), 0) + int(count)
    pixels.pop(0, None)
    largest = sorted(pixels, key=lambda number: (-pixels[number], number))[:most]
    return {number: instance for instance, number in enumerate(sorted(largest), start=1)}


def apply_table(ids_hw: NDArray[np.integer], table: Mapping[int, int]) -> NDArray[np.uint8]:
    """A map of ids as a map of instances; ids that the table lacks become background."""
    found, position = np.unique(ids_hw, return_inverse=True)
    instances = np.array([table.get(int(number), 0) for number in found], np.uint8)
    return instances[position].reshape(ids_hw.shape)
