"""Masks as COCO run lengths: `{"size": [h, w], "counts": "..."}` (pycocotools, `maskApi.c`).

Runs go down the columns, and the first one counts zeros. Each run is written as its difference to
the one before the last, in groups of 5 bits from the lowest on, sign included, as printable
characters from "0" on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from p4d.errors import ContractError

_FIRST_CHARACTER = 48


def encode_mask(mask_hw: np.ndarray) -> dict[str, Any]:
    """A 0/1 mask [h, w] as run lengths."""
    down_columns = np.asarray(mask_hw, bool).ravel(order="F")
    changes = np.flatnonzero(np.diff(down_columns)) + 1
    edges = np.concatenate([[0], changes, [down_columns.size]])
    runs = np.diff(edges).tolist()
    if down_columns.size and down_columns[0]:
        runs.insert(0, 0)
    return {"size": [int(side) for side in mask_hw.shape], "counts": _text(runs)}


def decode_mask(segmentation: Mapping[str, Any]) -> np.ndarray:
    """Run lengths as a bool mask [h, w].

    Raises:
        ContractError: they do not fill the mask.
    """
    height, width = (int(side) for side in segmentation["size"])
    runs = _runs(str(segmentation["counts"]))
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ContractError(f"run lengths of {sum(runs)} pixels for a mask of {height} x {width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def _text(runs: list[int]) -> str:
    found = []
    for place, run in enumerate(runs):
        left = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = left & 0x1F
            left >>= 5
            more = left != (-1 if bits & 0x10 else 0)
            found.append(chr(bits + 0x20 * more + _FIRST_CHARACTER))
    return "".join(found)


def _runs(text: str) -> list[int]:
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - _FIRST_CHARACTER
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    return runs
