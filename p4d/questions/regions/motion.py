"""Regions of real video without any network: components of the expert's motion map, tracked."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from p4d.questions.regions.tracks import Track


def nearest_resize(maps_thw: np.ndarray, size_px: int) -> np.ndarray:
    """Resize square maps by nearest neighbour."""
    nearest = np.arange(size_px) * maps_thw.shape[1] // size_px
    return maps_thw[:, nearest][:, :, nearest]


def motion_tracks(motion_thw: np.ndarray, threshold: float) -> list[Track]:
    """Track the components of a thresholded motion probability over frames by overlap.

    Tracks start in the first frame. In each later frame a track takes the free component with the
    largest overlap with its last mask, grown by one pixel. If there is none, its mask is empty in
    that frame, and the next frame is compared with the last mask that was found. NaN counts as no
    motion.
    """
    above_thw = np.nan_to_num(motion_thw, nan=0.0) > threshold
    first = _components(above_thw[0])
    masks = [[component] for component in first]
    last = list(first)
    for above_hw in above_thw[1:]:
        free = _components(above_hw)
        grown = [ndimage.binary_dilation(mask_hw) for mask_hw in last]
        overlaps = [
            (-int((grown[track] & component).sum()), track, index)
            for track in range(len(last))
            for index, component in enumerate(free)
        ]
        taken: dict[int, int] = {}
        used: set[int] = set()
        for negative, track, index in sorted(overlaps):
            if negative < 0 and track not in taken and index not in used:
                taken[track] = index
                used.add(index)
        for track, history in enumerate(masks):
            found = free[taken[track]] if track in taken else np.zeros_like(above_hw)
            history.append(found)
            if track in taken:
                last[track] = found
    return [
        Track(source="motion", key=key, instance=None, name=None, mask_thw=np.stack(history))
        for key, history in enumerate(masks)
    ]


def _components(mask_hw: np.ndarray) -> list[np.ndarray]:
    """Return the 4-connected components, in scan order of their first pixels."""
    labels_hw, count = ndimage.label(mask_hw)
    return [labels_hw == label for label in range(1, count + 1)]
