"""In which of three by three parts of the picture something moves before a camera that rests.

No thing has to be outlined for this: where flow and pictures agree that something moves, the
part stirs; where the pictures stay the same but for their noise, it is still. Between the two
nothing is certain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.paths import smoothed
from p4d.questions.regions.flow.surfaces import Surfaces

ASIDE, BESIDE = 0.03, 0.02
"""Shares of a side: what moves so near to a line between parts counts for neither; what may move so
far beyond it counts for both."""
LEAST_LEVELS, NOISE_RATIO = 2.5, 4.0
"""Grey levels, of smoothed pictures, and multiples of their median change: what changes by less is
noise."""
MOST_LEVELS = 8.0
"""What changes by more may move, however much of the picture noise, light or a thing changes."""


def stirring(
    cv: Any,  # noqa: ANN401
    grey_thw: NDArray[np.uint8],
    flowing: Surfaces,
    shaded_hw: NDArray[np.bool_],
) -> tuple[NDArray, NDArray]:
    """Shares of the picture that move in each part, between any two instants.

    Args:
        cv: OpenCV.
        grey_thw: the pictures at the instants, before a camera that rests.
        flowing: what flows between them.
        shaded_hw: where shadows are seen to pass; what moves in one piece with them may be one.

    Returns:
        What certainly moves, and what may move: [T, T, 3, 3] by row and column of the part, 0 where
        the first instant is not before the second.
    """
    frames, height, width = grey_thw.shape
    smooth = [smoothed(cv, grey_hw) for grey_hw in grey_thw]
    inner, outer = parts((height, width), -ASIDE), parts((height, width), BESIDE)
    certain, possible = np.zeros((2, frames, frames, 3, 3))
    for begin in range(frames):
        moved, changed = np.zeros((2, height, width), bool)
        for end in range(begin + 1, frames):
            moved |= flowing.certain(end - 1)
            sure = _apart(cv, moved, shaded_hw)
            change = np.abs(smooth[end] - smooth[begin])
            noise = NOISE_RATIO * float(np.median(change))
            above = (change > np.clip(noise, LEAST_LEVELS, MOST_LEVELS)).astype(np.uint8)
            changed |= cv.morphologyEx(above, cv.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
            for part, within, about in zip(np.ndindex(3, 3), inner, outer, strict=True):
                certain[begin, end][part] = sure[within].sum()
                possible[begin, end][part] = changed[about].sum()
    return certain / (height * width), possible / (height * width)


def _apart(cv: Any, moved_hw: NDArray[np.bool_], shaded_hw: NDArray[np.bool_]) -> NDArray[np.bool_]:  # noqa: ANN401
    """What moves and is of no piece that a shadow passes: its whole way is not always seen."""
    if not (moved_hw & shaded_hw).any():
        return moved_hw
    label = cv.connectedComponents(moved_hw.astype(np.uint8), connectivity=8)[1]
    return np.asarray(moved_hw & ~np.isin(label, np.unique(label[moved_hw & shaded_hw])))


def parts(size_hw: tuple[int, int], beyond: float) -> list[tuple[slice, slice]]:
    """Rows and columns of three by three parts, row by row, widened by a share of each side."""
    rows, columns = (
        [
            slice(
                round(side * (k / 3 - beyond)) if k > 0 else 0,
                round(side * ((k + 1) / 3 + beyond)) if k < 2 else side,
            )
            for k in range(3)
        ]
        for side in size_hw
    )
    return [(row, column) for row in rows for column in columns]
