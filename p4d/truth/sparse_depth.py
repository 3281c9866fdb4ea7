"""Depth of a clip's pixels where a video has it at few pixels: laser scans, sparse ground truth.

A clip's pixel takes the pixel of the video at its centre. Of a map with depth at every twentieth
pixel that would leave a twentieth. So a pixel whose centre is unknown takes the known pixel of the
video that lies nearest to its centre, among those that it covers and that show the same object: it
is off by at most half a pixel of the clip, and a surface is never given to another object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOSTLY = 0.5
"""Share of the known pixels whose neighbours on the right and below are known as well. Rendered
depth and depth cameras have nearly all of them, also with a sky; scans nearly none."""


def is_sparse(z_hw: NDArray[np.float32]) -> bool:
    """Whether depth is known at single pixels, and not on surfaces."""
    known = z_hw > 0
    inner = known[:-1, :-1]
    count = int(inner.sum())
    both = int((inner & known[1:, :-1] & known[:-1, 1:]).sum())
    return count > 0 and both < MOSTLY * count


def gathered(
    z_hw: NDArray[np.float32],
    instance_hw: NDArray[np.uint8] | None,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Depth [S, S] of a sparse map [H, W].

    Args:
        z_hw: 0 where unknown.
        instance_hw: ids of the frame [H, W], if it has any.
        rows: the video's row at the centre of each row of the clip.
        columns: and its column at the centre of each column.
    """
    height, width = z_hw.shape
    row, column = np.nonzero(z_hw)
    to_row = ((row + 0.5) * len(rows) / height).astype(np.int64)
    to_column = ((column + 0.5) * len(columns) / width).astype(np.int64)
    if instance_hw is not None:
        centre = instance_hw[rows[to_row], columns[to_column]]
        same = instance_hw[row, column] == centre
        row, column, to_row, to_column = (each[same] for each in (row, column, to_row, to_column))
    off_row = (row + 0.5) * len(rows) / height - to_row - 0.5
    off_column = (column + 0.5) * len(columns) / width - to_column - 0.5
    order = np.argsort(-(off_row**2 + off_column**2), kind="stable")  # the last write wins
    found = np.zeros((len(rows), len(columns)), np.float32)
    found[to_row[order], to_column[order]] = z_hw[row[order], column[order]]
    at_centre = z_hw[rows][:, columns]
    return np.where(at_centre > 0, at_centre, found).astype(np.float32)
