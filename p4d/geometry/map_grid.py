"""Map grids: maps of M x M pixels sampled from pictures of S x S pixels.

Map pixel j takes the value of picture pixel floor((j + 0.5) S / M), the one nearest to its centre.
Nothing is averaged, so no depth or flow is invented across an edge. For even S / M the centres
differ by half a picture pixel; `map_intrinsics` accounts for it, so a map pixel's ray is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, scale_intrinsics


def sampled_pixels(size_px: int, map_px: int) -> NDArray[np.int64]:
    """Index of the picture pixel, along one side, that each map pixel samples."""
    return ((np.arange(map_px) + 0.5) * size_px / map_px).astype(np.int64)


def sample_map(picture_thw: NDArray, map_px: int) -> NDArray:
    """[T, S, S, ...] to [T, M, M, ...], values unchanged."""
    chosen = sampled_pixels(picture_thw.shape[1], map_px)
    return picture_thw[:, chosen][:, :, chosen]


def sample_flow(flow_px_thw2: Floats, map_px: int) -> NDArray[np.float32]:
    """Flow on the map grid, in px of that grid."""
    scale = map_px / flow_px_thw2.shape[1]
    return np.asarray(sample_map(flow_px_thw2, map_px) * scale, np.float32)


def sample_picture_map(picture_thw: NDArray, map_px: int) -> NDArray:
    """[T, H, W, ...] of pictures that need not be square to [T, M, M, ...], values unchanged."""
    rows, columns = (sampled_pixels(side, map_px) for side in picture_thw.shape[1:3])
    return picture_thw[:, rows][:, :, columns]


def sample_picture_flow(flow_px_thw2: Floats, map_px: int) -> NDArray[np.float32]:
    """Flow of pictures [T, H, W, 2] on the map grid, in px of that grid."""
    height, width = flow_px_thw2.shape[1:3]
    scale = np.array([map_px / width, map_px / height])
    return np.asarray(sample_picture_map(flow_px_thw2, map_px) * scale, np.float32)


def lands_inside(flow_px_thw2: Floats) -> NDArray[np.bool_]:
    """Where the flow of a pixel's centre ends inside the picture; a point beyond was never seen."""
    height, width = flow_px_thw2.shape[1:3]
    u_px = np.arange(width) + 0.5 + flow_px_thw2[..., 0]
    v_px = np.arange(height)[:, None] + 0.5 + flow_px_thw2[..., 1]
    return np.asarray((u_px >= 0) & (u_px < width) & (v_px >= 0) & (v_px < height))


def map_intrinsics(K_t33: Floats, size_px: int, map_px: int) -> NDArray[np.float64]:
    """Intrinsics of the map grid: rays through its pixel centres are those of the sampled pixels.

    Exact if map_px divides size_px.
    """
    scaled = scale_intrinsics(K_t33, map_px / size_px, map_px / size_px)
    scaled[..., :2, 2] += _offset_px(size_px, map_px)
    return scaled


def picture_map_intrinsics(
    K_t33: Floats, size_px: tuple[int, int], map_px: int
) -> NDArray[np.float64]:
    """As `map_intrinsics`, for pictures of (width, height) that need not be square."""
    width, height = size_px
    scaled = scale_intrinsics(K_t33, map_px / width, map_px / height)
    scaled[..., 0, 2] += _offset_px(width, map_px)
    scaled[..., 1, 2] += _offset_px(height, map_px)
    return scaled


def picture_intrinsics(K_t33: Floats, size_px: int, map_px: int) -> NDArray[np.float64]:
    """The inverse of `map_intrinsics`."""
    moved = np.array(K_t33, np.float64)
    moved[..., :2, 2] -= _offset_px(size_px, map_px)
    return scale_intrinsics(moved, size_px / map_px, size_px / map_px)


def _offset_px(size_px: int, map_px: int) -> float:
    """From a sampled pixel's centre to the centre of its map pixel, in map pixels."""
    return float(0.5 - (sampled_pixels(size_px, map_px)[0] + 0.5) * map_px / size_px)
