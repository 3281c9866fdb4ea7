"""The record of one candidate region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Track:
    """A candidate region: one mask per frame.

    Attributes:
        source: truth, checkpoint, flow or motion.
        key: identifies the track within its source and clip.
        instance: instance number in the truth, or None.
        name: of the object, or None.
        mask_thw: bool, [T, H, W].
        reason: why the source rejects it, or None.
        least_area_px: of its mask in the first frame; None: `regions.min_area_px`.
    """

    source: str
    key: int | str
    instance: int | None
    name: str | None
    mask_thw: np.ndarray
    reason: str | None = None
    least_area_px: int | None = None
