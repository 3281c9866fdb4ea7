"""Stored flow between the frames of a clip: the flows of the frames between them, one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p4d.truth.parts import FlowMaps, StoredFlow

LARGEST_SPREAD_PX = 0.25
"""Between the four flows around a point: a larger one is a border of two motions, where nobody
knows which of them the point follows."""


def chained_flow(
    flow: FlowMaps,
    frame_indices: Sequence[int],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Backward flow between the frames of a clip, at some pixels.

    A pixel follows the stored flow from frame to frame, read between pixels by bilinear
    interpolation. It is lost where one of the flows around it is unknown, where they differ by more
    than a quarter of a pixel, and outside of the picture.

    Args:
        flow: of the video.
        frame_indices: of the clip, increasing.
        rows: of the pixels.
        columns: of the pixels; every row is taken with every column.

    Returns:
        Flow in pixels of the video [T, rows, columns, 2], and where it is known.
    """
    start = np.stack(np.meshgrid(columns + 0.5, rows + 0.5), axis=-1)
    total = np.zeros((len(frame_indices), *start.shape))
    known = np.zeros(total.shape[:-1], bool)
    for t in range(1, len(frame_indices)):
        place, sure = start.copy(), np.ones(start.shape[:-1], bool)
        for frame in range(frame_indices[t], frame_indices[t - 1], -1):
            stored = flow[frame]
            if stored is None:
                sure[:] = False
                break
            moved, found = _between_pixels(stored, place)
            sure &= found
            place += np.where(sure[..., None], moved, 0)
        sure &= _inside(place, *(stored[1].shape if stored is not None else (0, 0)))
        total[t] = np.where(sure[..., None], place - start, 0)
        known[t] = sure
    return total, known


def _inside(place: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    u, v = place[..., 0], place[..., 1]
    return np.asarray((u >= 0) & (u < width) & (v >= 0) & (v < height))


def _between_pixels(
    stored: StoredFlow, place: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Flow at places [..., 2] (u, v), and where it is known."""
    flow, valid = stored
    height, width = valid.shape
    inside = _inside(place, height, width)
    x = np.clip(np.where(inside, place[..., 0], 0.5) - 0.5, 0, width - 1)
    y = np.clip(np.where(inside, place[..., 1], 0.5) - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = x - left, y - top
    corners = ((top, left, (1 - fx) * (1 - fy)), (top, right, fx * (1 - fy)),
               (bottom, left, (1 - fx) * fy), (bottom, right, fx * fy))  # fmt: skip
    moved = np.zeros((*x.shape, 2))
    known = inside.copy()
    lowest, highest = np.full(moved.shape, np.inf), np.full(moved.shape, -np.inf)
    for row, column, weight in corners:
        counts = weight > 0
        here = flow[row, column].astype(np.float64)
        known &= valid[row, column] | ~counts
        moved += np.where(counts[..., None], here * weight[..., None], 0)
        lowest = np.where(counts[..., None], np.minimum(lowest, here), lowest)
        highest = np.where(counts[..., None], np.maximum(highest, here), highest)
    known &= (highest - lowest).max(axis=-1) <= LARGEST_SPREAD_PX
    return moved, known
