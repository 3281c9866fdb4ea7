"""Backward flow from forward flow: the inverse of a map, where it has one.

The forward flow of frame t - 1 says where each of its points is in frame t. At a pixel of frame t
the backward flow b is the vector with forward(pixel + b) = -b. It is not the negated forward flow
at this pixel: that one belongs to another point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 20
RESIDUE_PX = 0.02
"""Largest error of the equation at which a vector is kept."""
EDGE_PX = 1.0
"""Four pixels whose flows differ by more belong to different things, and have nothing between."""


def backward_flow(
    forward_px_hw2: NDArray[np.float32], usable_hw: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Backward flow [H, W, 2] of the next frame, and where it is known [H, W].

    Args:
        forward_px_hw2: (du, dv) from a frame to the next one.
        usable_hw: pixels of the first frame with known flow that are visible in the next one.
    """
    height, width = usable_hw.shape
    start, seeded = _seeds(forward_px_hw2, usable_hw)
    rows, columns = np.nonzero(seeded)
    centre = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    flow = start[rows, columns].astype(np.float64)
    for _ in range(ITERATIONS):
        found, _ = _sample(forward_px_hw2, usable_hw, centre + flow)
        flow = -found
    found, smooth = _sample(forward_px_hw2, usable_hw, centre + flow)
    good = smooth & (np.abs(found + flow).max(axis=-1) <= RESIDUE_PX)
    result = np.zeros((height, width, 2), np.float32)
    known = np.zeros((height, width), bool)
    result[rows[good], columns[good]] = flow[good]
    known[rows[good], columns[good]] = True
    return result, known


def _seeds(
    forward_px_hw2: NDArray[np.float32], usable_hw: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The negated flow of some point that lands in, or next to, each pixel of the next frame."""
    height, width = usable_hw.shape
    seeds = np.zeros((height, width, 2), np.float32)
    seeded = np.zeros((height, width), bool)
    rows, columns = np.nonzero(usable_hw)
    vectors = forward_px_hw2[rows, columns]
    # Neighbours first: a point that lands in the pixel itself replaces them.
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)):
        v = np.floor(rows + 0.5 + vectors[:, 1]).astype(np.int64) + down
        u = np.floor(columns + 0.5 + vectors[:, 0]).astype(np.int64) + right
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        seeds[v[inside], u[inside]] = -vectors[inside]
        seeded[v[inside], u[inside]] = True
    return seeds, seeded


def _sample(
    flow_hw2: NDArray[np.float32], usable_hw: NDArray[np.bool_], uv_n2: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Flow between pixel centres, and whether the four around are usable and of one thing."""
    height, width = usable_hw.shape
    position = np.clip(uv_n2 - 0.5, 0, [width - 1, height - 1])
    corner = np.minimum(
        np.floor(position).astype(np.int64), [max(width - 2, 0), max(height - 2, 0)]
    )
    share = position - corner
    left, top = corner[:, 0], corner[:, 1]
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    corners = np.stack(
        [flow_hw2[v, u] for v, u in ((top, left), (top, right), (bottom, left), (bottom, right))]
    ).astype(np.float64)
    around = usable_hw[top, left] & usable_hw[top, right]
    around &= usable_hw[bottom, left] & usable_hw[bottom, right]
    smooth = (corners.max(axis=0) - corners.min(axis=0)).max(axis=-1) <= EDGE_PX
    inside = np.abs(uv_n2 - 0.5 - position).max(axis=-1) <= 1e-9
    x, y = share[:, :1], share[:, 1:]
    upper = corners[0] * (1 - x) + corners[1] * x
    lower = corners[2] * (1 - x) + corners[3] * x
    return upper * (1 - y) + lower * y, around & smooth & inside
