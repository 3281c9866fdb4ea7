"""Exact measures of pictures: area averaging, perceptual hash, motion energy, contrast.

All arithmetic is on integers, so results are equal on every machine.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def area_mean(picture: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Resize by exact area averaging: pixel i covers [i, i + 1) and is weighted by its overlap.

    Args:
        picture: u8 [H,W,...].
        height_px: rows of the result; the ratio need not be an integer.
        width_px: columns of the result.

    Returns:
        u8 [height_px,width_px,...], rounded half up; a plain block mean if the ratio is an integer.

    """
    (height, width), channels = picture.shape[:2], picture.shape[2:]
    area = height * width
    rows = _overlaps(height, height_px) @ picture.reshape(height, -1).astype(np.float64)
    sums = _overlaps(width, width_px) @ rows.reshape(height_px, width, -1)
    means = ((2 * sums.astype(np.int64) + area) // (2 * area)).astype(np.uint8)
    return means.reshape(height_px, width_px, *channels)


@lru_cache(maxsize=256)
def _overlaps(n: int, bins: int) -> np.ndarray:
    """By how much each of `n` pixels lies in each of `bins` equal parts, times `bins`.

    The numbers are whole, and so are all sums of their products with grey levels, far below 2**53:
    products of matrices of them are exact in floating point, in any order.
    """
    edges = np.arange(bins + 1) * n
    pixels = np.arange(n) * bins
    last = np.minimum(edges[1:, None], pixels + bins)
    first = np.maximum(edges[:-1, None], pixels)
    return np.maximum(0, last - first).astype(np.float64)


def grey_levels(rgb: np.ndarray) -> np.ndarray:
    """Luma of u8 [...,3] in grey levels 0..255, u8 [...] (BT.601 weights in 1/256)."""
    # 255 * 256 + 128 has 16 bits.
    red, green, blue = (rgb[..., channel].astype(np.uint16) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue + 128) >> 8).astype(np.uint8)


def difference_hash(grey_thw: np.ndarray) -> str:
    """64-bit dHash of the mean frame, 16 hex digits.

    One bit for each of 8x8 cells: whether the next cell of the row is brighter.

    Source: N. Krawetz, "Kind of Like That", 2013 (gradient hash).
    """
    frames = len(grey_thw)
    mean_hw = (2 * grey_thw.sum(axis=0, dtype=np.int64) + frames) // (2 * frames)
    cells = area_mean(mean_hw.astype(np.uint8), 8, 9)
    bits = np.packbits(cells[:, :-1] < cells[:, 1:])
    return bits.tobytes().hex()


def frame_hashes(grey_thw: np.ndarray) -> tuple[list[str], list[str]]:
    """The dHash of every frame without the bars around the clip, and of the frame mirrored.

    Each has 16 hex digits.

    Bars are rows and columns at the border that hardly vary in the whole clip. Without them a
    letterboxed copy has the hashes of its original; a crop by 5 % changes about six bits of 64.
    """
    cells_hwt = area_mean(_without_bars(grey_thw).transpose(1, 2, 0), 8, 9)
    return _gradient_hashes(cells_hwt), _gradient_hashes(cells_hwt[:, ::-1])


def _gradient_hashes(cells_hwt: np.ndarray) -> list[str]:
    rises = (cells_hwt[:, :-1] < cells_hwt[:, 1:]).transpose(2, 0, 1)
    bits = np.packbits(rises.reshape(len(rises), -1), axis=1)
    return [row.tobytes().hex() for row in bits]


BAR_LEVELS, LEAST_INSIDE = 6, 4
"""Largest standard deviation of a bar; the least share, one in so many, that bars leave over."""


def _without_bars(grey_thw: np.ndarray) -> np.ndarray:
    frames, height, width = grey_thw.shape
    levels = grey_thw.astype(np.float64)  # whole numbers: all sums are exact
    sums, squares = levels.sum(axis=0), np.square(levels).sum(axis=0)
    rows = np.flatnonzero(_varies(sums.sum(axis=1), squares.sum(axis=1), frames * width))
    columns = np.flatnonzero(_varies(sums.sum(axis=0), squares.sum(axis=0), frames * height))
    if len(rows) * LEAST_INSIDE < height or len(columns) * LEAST_INSIDE < width:
        return grey_thw  # nearly all of it is flat: no bars, but a plain picture
    return grey_thw[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _varies(sums: np.ndarray, squares: np.ndarray, count: int) -> np.ndarray:
    """Whether the variance of each line exceeds that of a bar.

    Args:
        sums: of the levels of each line, f64 [n].
        squares: sums of their squares.
        count: levels of a line.
    """
    return np.asarray(count * squares - sums**2 > BAR_LEVELS**2 * count**2)


def motion_energy_levels(grey_thw: np.ndarray) -> float:
    """Mean absolute change between successive frames, in grey levels, to 6 digits."""
    change = np.abs(np.diff(grey_thw.astype(np.int16), axis=0))
    return round(int(change.sum()) / change.size, 6)


def contrast_levels(grey_thw: np.ndarray) -> int:
    """Largest minus smallest grey level of the whole clip."""
    return int(grey_thw.max()) - int(grey_thw.min())
