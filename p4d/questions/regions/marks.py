"""Set-of-Marks images: outlines and number labels drawn on a frame.

The prompt of a region is this image plus `<obj_k>` in the text (arXiv 2512.17012, section 6.2).
Digits are a 3x5 bitmap, legible at 64 px and independent of font files. The colour of a mark
depends on its number alone.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from p4d.errors import ContractError

GLYPH_HW = (5, 3)
_GLYPHS = {
    1: "010110010010111",
    2: "111001111100111",
    3: "111001111001111",
    4: "101101111001001",
    5: "111100111001111",
    6: "111100111101111",
    7: "111001010010010",
    8: "111101111101111",
    9: "111101111001111",
}
# Equally light, so that no mark stands out; hues far apart, so that outlines can be distinguished.
COLOURS_RGB = (
    (255, 225, 25),
    (70, 240, 240),
    (255, 130, 220),
    (120, 255, 90),
    (255, 160, 60),
    (170, 170, 255),
    (255, 255, 255),
    (255, 120, 120),
    (190, 255, 190),
)
MAX_MARKS = len(COLOURS_RGB)


def draw_marks(rgb_hw3: np.ndarray, masks_khw: np.ndarray, scale: int = 1) -> np.ndarray:
    """Draw the outline and the number of each region, 1 for the first mask.

    Args:
        rgb_hw3: u8 frame.
        masks_khw: 0/1 masks at the frame's resolution, in mark order. An empty mask is not drawn.
        scale: enlarge the frame first, for human viewers; lines and digits are enlarged too.

    Returns:
        u8 [H * scale, W * scale, 3].

    Raises:
        ContractError: shapes disagree or there are more masks than marks.

    """
    if masks_khw.ndim != 3 or masks_khw.shape[1:] != rgb_hw3.shape[:2]:
        raise ContractError(f"masks {masks_khw.shape} do not lie on a frame {rgb_hw3.shape}")
    picture_hw3 = rgb_hw3.repeat(scale, 0).repeat(scale, 1)
    grown_khw = masks_khw.astype(bool).repeat(scale, 1).repeat(scale, 2)
    _draw(picture_hw3, grown_khw, scale)
    return picture_hw3


def draw_marks_at(rgb_hw3: np.ndarray, masks_khw: np.ndarray) -> np.ndarray:
    """Draw the marks of regions on a picture of any size and aspect ratio.

    Lines and digits have the size, relative to the picture, that `draw_marks` gives them on a frame
    of the masks' own size.

    Args:
        rgb_hw3: u8 picture [H, W, 3], at least as large as the masks.
        masks_khw: 0/1 masks [K, S, S] of the same view, squashed to a square, in mark order.

    Returns:
        u8 [H, W, 3].

    Raises:
        ContractError: there are more masks than marks.
    """
    picture_hw3 = rgb_hw3.copy()
    height, width = picture_hw3.shape[:2]
    grown_khw = masks_at(masks_khw, height, width)
    _draw(picture_hw3, grown_khw, max(1, min(height, width) // masks_khw.shape[-1]))
    return picture_hw3


def masks_at(masks_khw: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks [K, S, S] at another size, bool [K, height, width], by nearest pixel."""
    rows = (2 * np.arange(height) + 1) * masks_khw.shape[1] // (2 * height)
    columns = (2 * np.arange(width) + 1) * masks_khw.shape[2] // (2 * width)
    return masks_khw.astype(bool)[:, rows][:, :, columns]


def _draw(picture_hw3: np.ndarray, grown_khw: np.ndarray, scale: int) -> None:
    """Draw outlines and numbers into the picture, `scale` times as large as on a small frame."""
    if len(grown_khw) > MAX_MARKS:
        raise ContractError(f"{len(grown_khw)} regions, but only {MAX_MARKS} marks can be drawn")
    line_px = max(1, scale // 2)
    for mark0, mask_hw in enumerate(grown_khw):
        outline_hw = ndimage.binary_dilation(mask_hw, iterations=line_px) & ~mask_hw
        picture_hw3[outline_hw] = COLOURS_RGB[mark0]
    glyph_scale = max(1, (2 * scale) // 3)
    taken_hw = np.zeros(picture_hw3.shape[:2], dtype=bool)
    for mark0, mask_hw in enumerate(grown_khw):
        if not mask_hw.any():
            continue
        tile_hw = _tile(mark0 + 1, glyph_scale)
        top, left = _place(mask_hw, np.delete(grown_khw, mark0, axis=0), taken_hw, tile_hw.shape)
        box = np.s_[top : top + tile_hw.shape[0], left : left + tile_hw.shape[1]]
        picture_hw3[box] = np.where(tile_hw[..., None], COLOURS_RGB[mark0], 0)
        taken_hw[box] = True


def _tile(mark: int, scale: int) -> np.ndarray:
    """Return the bitmap of a digit with a border of one pixel: True where the digit is."""
    bits = np.array([bit == "1" for bit in _GLYPHS[mark]]).reshape(GLYPH_HW)
    return np.pad(bits, 1).repeat(scale, 0).repeat(scale, 1)


def _place(
    mask_hw: np.ndarray, others_khw: np.ndarray, taken_hw: np.ndarray, tile_hw: tuple[int, ...]
) -> tuple[int, int]:
    """Return the top left corner of a label: near its region, clear of other regions and labels.

    The cost counts hidden pixels, with the highest weight for another label, then for another
    region, then for the region itself, so that a number does not cover its own small region.
    """
    height, width = mask_hw.shape
    rows, columns = np.nonzero(mask_hw)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    middle_row, middle_column = int(np.median(rows)), int(np.median(columns))
    tall, wide = tile_hw
    corners = [
        (top - tall - 1, middle_column - wide // 2),
        (bottom + 1, middle_column - wide // 2),
        (middle_row - tall // 2, left - wide - 1),
        (middle_row - tall // 2, right + 1),
        (middle_row - tall // 2, middle_column - wide // 2),
    ]
    blocked_hw = others_khw.any(axis=0) if len(others_khw) else np.zeros_like(mask_hw)
    cost_hw = 9.0 * taken_hw + 3.0 * blocked_hw + 1.0 * mask_hw
    best, best_cost = (0, 0), np.inf
    for row, column in corners:
        row0 = int(np.clip(row, 0, max(height - tall, 0)))
        column0 = int(np.clip(column, 0, max(width - wide, 0)))
        cost = cost_hw[row0 : row0 + tall, column0 : column0 + wide].sum()
        if cost < best_cost:
            best, best_cost = (row0, column0), cost
    return best
