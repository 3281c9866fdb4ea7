"""COCO's compressed run lengths, written from their definition."""

from __future__ import annotations

import itertools

import numpy as np


def runs(mask_hw: np.ndarray) -> list[int]:
    """Counts of equal pixels, column by column, zeros first."""
    flat = np.asarray(mask_hw, bool).ravel(order="F").tolist()
    counts = [len(list(group)) for _, group in itertools.groupby(flat)]
    return [0, *counts] if flat[0] else counts


def compressed(mask_hw: np.ndarray) -> str:
    """Counts as text: from the fourth on, differences to the one two before; 5 bits a character."""
    counts = runs(mask_hw)
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits, value = value & 0x1F, value >> 5
            last = value == (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits if last else bits | 0x20))
            if last:
                break
    return text


def coded(mask_hw: np.ndarray) -> dict:
    """`{"size": [h, w], "counts": text}`."""
    return {"size": list(np.shape(mask_hw)), "counts": compressed(mask_hw)}
