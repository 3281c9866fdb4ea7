"""Paths of points through a clip, by dense inverse search of OpenCV, and only as far as certain.

A point is followed from frame to frame; it is lost where forward and backward flow do not cancel
(`cycle_closes`) or where it leaves the picture. A lost point never comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.teachers.flow_dis import cycle_closes, dis_flow

GRID_STEP_PX = 4
LEAST_TEXTURE_LEVELS2 = 4.0
"""Smaller eigenvalue of the structure tensor of a window, squared grey levels per px2; below, a
place could be anywhere along an edge or on a plain surface."""

LEAST_CERTAIN, LEAST_PART = 40, 5
"""Textured points whose place must be known, in all, and in three quarters of the picture and near
its borders, for `least_moved_px`."""
CHANGED_LEVELS, SMOOTH_PX = 2.5, 1.5
"""Grey levels by which a place of a picture changes once it is smoothed, and by how much it is."""
LEAST_SIDES, LEAST_CHANGED = 3, 0.5
"""Sides of the picture, and the share of each, that change if it changes at its borders. Before 3
resting cameras of the look `mitsuba`, whose ground has no texture, points could be followed on
things alone; two sides at most changed so. Sky may fill the fourth."""
BORDER = 0.12
"""Width of what counts as border, as a share of each side."""


@dataclass(frozen=True, kw_only=True)
class PointPaths:
    """A grid of points of the first frame and where they are later.

    Attributes:
        xy_nt2: places [N, T, 2] in px of the pictures, pixel centres at whole numbers.
        known_nt: whether a place is known.
        textured_n: whether the flow of a point is its own, and not that of a neighbour.
        size_hw: of the pictures.
    """

    xy_nt2: NDArray[np.float32]
    known_nt: NDArray[np.bool_]
    textured_n: NDArray[np.bool_]
    size_hw: tuple[int, int]

    @cached_property
    def start_n2(self) -> NDArray[np.float32]:
        """Places in the first frame."""
        return self.xy_nt2[:, 0]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.xy_nt2.shape[1]


def follow_points(cv: Any, grey_thw: NDArray[np.uint8]) -> PointPaths:  # noqa: ANN401
    """Follow a grid of points of the first frame.

    Args:
        cv: OpenCV (`p4d.teachers.flow_dis.opencv`).
        grey_thw: successive pictures, close in time.
    """
    frames, height, width = grey_thw.shape
    half = GRID_STEP_PX // 2
    v, u = np.mgrid[half:height:GRID_STEP_PX, half:width:GRID_STEP_PX]
    start = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float32)
    xy = np.repeat(start[:, None], frames, axis=1)
    known = np.zeros((len(start), frames), bool)
    known[:, 0] = True
    textured = _textured(cv, grey_thw[0], start)
    for t in range(1, frames):
        forward = dis_flow(cv, grey_thw[t - 1], grey_thw[t])
        backward = dis_flow(cv, grey_thw[t], grey_thw[t - 1])
        closes = cycle_closes(forward, backward)
        at = xy[:, t - 1]
        moved = at + bilinear(cv, forward, at)
        column, row = np.rint(at).astype(int).T
        column, row = column.clip(0, width - 1), row.clip(0, height - 1)
        inside = ((moved >= 0) & (moved <= (width - 1, height - 1))).all(axis=1)
        known[:, t] = known[:, t - 1] & closes[row, column] & inside
        xy[:, t] = np.where(known[:, t, None], moved, at)
    return PointPaths(
        xy_nt2=xy,
        known_nt=known,
        textured_n=textured,
        size_hw=(height, width),
    )


def _textured(cv: Any, grey_hw: NDArray[np.uint8], at_n2: NDArray) -> NDArray[np.bool_]:  # noqa: ANN401
    """Which places look different from all places near them."""
    texture = cv.cornerMinEigenVal(grey_hw, 7, ksize=3) * 255.0**2
    column, row = at_n2.astype(int).T
    return np.asarray(texture[row, column] >= LEAST_TEXTURE_LEVELS2)


def least_moved_px(paths: PointPaths, begin: int, end: int) -> float:
    """How far nine of ten textured points get at least between two frames, and half at the borders.

    From end to end, so that errors of single frames do not add up. NaN if few points are known at
    both ends, or none near the borders or in half of the picture: things may be all that has
    texture.
    """
    known = paths.textured_n & paths.known_nt[:, max(begin, end)]
    if known.sum() < LEAST_CERTAIN:
        return float("nan")
    length = np.linalg.norm(paths.xy_nt2[known, end] - paths.xy_nt2[known, begin], axis=1)
    share = paths.start_n2[known] / np.array(paths.size_hw[::-1])
    border = ((share < BORDER) | (share > 1 - BORDER)).any(axis=1)
    quarters = np.bincount(2 * (share[:, 1] > 0.5) + (share[:, 0] > 0.5), minlength=4)
    if border.sum() < LEAST_PART or (quarters >= LEAST_PART).sum() < 3:
        return float("nan")
    return float(min(np.percentile(length, 10), np.median(length[border])))


def smoothed(cv: Any, grey_hw: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """A picture whose noise is small, for `changes`."""
    return np.asarray(cv.GaussianBlur(grey_hw.astype(np.float32), (0, 0), SMOOTH_PX))


def changes(one_hw: NDArray[np.float32], other_hw: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where two smoothed pictures differ."""
    return np.asarray(np.abs(one_hw - other_hw) > CHANGED_LEVELS)


def borders_change(one_hw: NDArray[np.float32], other_hw: NDArray[np.float32]) -> bool:
    """Whether two smoothed pictures differ at their borders, as they do if the view moves."""
    changed = changes(one_hw, other_hw)
    rows, columns = (round(BORDER * side) for side in changed.shape)
    sides = changed[:rows], changed[-rows:], changed[:, :columns], changed[:, -columns:]
    return sum(bool(side.mean() >= LEAST_CHANGED) for side in sides) >= LEAST_SIDES


def bilinear(cv: Any, values: NDArray, at_n2: NDArray) -> NDArray:  # noqa: ANN401
    """Values of a picture [H, W] or [H, W, C] at places (u, v), between pixels too."""
    places = np.ascontiguousarray(at_n2[None], np.float32)
    found = cv.remap(
        values, places[..., 0], places[..., 1], cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE
    )
    return np.asarray(found[0])
