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

LEAST_CERTAIN = 40
"""Textured points of a frame whose flow closes its cycle, for `least_step_px_t`."""

NOISE_STEP_PX = 0.7
"""Shorter steps of a picture may be noise, which adds up: with a noise of 30 grey levels the
pictures of cameras at rest had up to 0.5 px a step, those of a slow pan 2.5 and more."""


@dataclass(frozen=True, kw_only=True)
class PointPaths:
    """A grid of points of the first frame and where they are later.

    Attributes:
        xy_nt2: places [N, T, 2] in px of the pictures, pixel centres at whole numbers.
        known_nt: whether a place is known.
        textured_n: whether the flow of a point is its own, and not that of a neighbour.
        least_step_px_t: what nine of ten textured points of each frame move at least, from the
            frame before; NaN if there are too few of them.
        size_hw: of the pictures.
    """

    xy_nt2: NDArray[np.float32]
    known_nt: NDArray[np.bool_]
    textured_n: NDArray[np.bool_]
    least_step_px_t: NDArray[np.float64]
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
    least_step = np.zeros(frames)
    textured = _textured(cv, grey_thw[0], start)
    for t in range(1, frames):
        forward = dis_flow(cv, grey_thw[t - 1], grey_thw[t])
        backward = dis_flow(cv, grey_thw[t], grey_thw[t - 1])
        closes = cycle_closes(forward, backward)
        least_step[t] = _least_step(cv, grey_thw[t - 1], forward, closes, start)
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
        least_step_px_t=least_step,
        size_hw=(height, width),
    )


def _textured(cv: Any, grey_hw: NDArray[np.uint8], at_n2: NDArray) -> NDArray[np.bool_]:  # noqa: ANN401
    """Which places look different from all places near them."""
    texture = cv.cornerMinEigenVal(grey_hw, 7, ksize=3) * 255.0**2
    column, row = at_n2.astype(int).T
    return np.asarray(texture[row, column] >= LEAST_TEXTURE_LEVELS2)


def _least_step(
    cv: Any,  # noqa: ANN401
    grey_hw: NDArray[np.uint8],
    forward_hw2: NDArray,
    closes_hw: NDArray[np.bool_],
    at_n2: NDArray,
) -> float:
    """The tenth percentile of how far the textured points of a grid move; 0 if it may be noise."""
    column, row = at_n2.astype(int).T
    certain = _textured(cv, grey_hw, at_n2) & closes_hw[row, column]
    if certain.sum() < LEAST_CERTAIN:
        return float("nan")
    lengths = np.linalg.norm(forward_hw2[row[certain], column[certain]], axis=1)
    least = float(np.percentile(lengths, 10))
    return least if least >= NOISE_STEP_PX else 0.0


def bilinear(cv: Any, values: NDArray, at_n2: NDArray) -> NDArray:  # noqa: ANN401
    """Values of a picture [H, W] or [H, W, C] at places (u, v), between pixels too."""
    places = np.ascontiguousarray(at_n2[None], np.float32)
    found = cv.remap(
        values, places[..., 0], places[..., 1], cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE
    )
    return np.asarray(found[0])
