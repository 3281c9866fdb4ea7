"""The record of one tracked region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Track:
    """A candidate region before it is judged: one mask per frame.

    `reason` is why it cannot become a region, where its source knows.
    """

    source: str
    key: int | str
    instance: int | None
    name: str | None
    mask_thw: np.ndarray
    reason: str | None = None
