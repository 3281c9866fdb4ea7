"""Views of a clip: mirrored, reversed in time, a part of the picture enlarged.

The answer to a question does not survive them: left becomes right, and a metre in the picture
becomes longer. A teacher perceives them as any other video, so they are more video to distil from,
at the cost of one pass of the teacher each.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from p4d.ids import seed_for

_LEAST, _MOST = 0.78, 0.94
"""Side of the enlarged part, as a share of that of the picture."""


@dataclass(frozen=True)
class View:
    """How a clip is changed.

    Attributes:
        mirrored: left and right change places.
        reversed: the last frame comes first.
        window: (row, column, side) in px of the part that fills the picture; None: all of it.
    """

    mirrored: bool = False
    reversed: bool = False
    window: tuple[int, int, int] | None = None

    def pictures(self, frames_thw3: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames `[T, S, S, 3]` as this view shows them."""
        ordered = frames_thw3[::-1] if self.reversed else frames_thw3
        return self._placed(ordered, cv2.INTER_LINEAR)

    def masks(self, masks_khw: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Masks `[K, S, S]` of the frame that comes first in this view, as it shows them."""
        return self._placed(masks_khw, cv2.INTER_NEAREST)

    def times_s(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times of the frames as this view shows them: spacings in reversed order."""
        return times_s[0] + times_s[-1] - times_s[::-1] if self.reversed else times_s

    def _placed(self, pictures: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
        if self.mirrored:
            pictures = pictures[:, :, ::-1]
        if self.window is None or not len(pictures):
            return np.ascontiguousarray(pictures)
        row, column, side = self.window
        size = pictures.shape[1:3]
        part = np.ascontiguousarray(pictures[:, row : row + side, column : column + side])
        return np.stack([cv2.resize(each, size, interpolation=interpolation) for each in part])


def view_of(clip_id: str, number: int, size_px: int) -> View:
    """The view `number` of a clip; 0 is the clip itself, those from 4 on have a window each.

    Args:
        clip_id: draws the window, with `number`.
        number: odd ones are mirrored, and every other pair is reversed.
        size_px: side of the pictures.
    """
    window = None
    if number >= 4:
        rng = np.random.default_rng(seed_for("view", clip_id, number))
        side = int(rng.integers(round(_LEAST * size_px), round(_MOST * size_px)))
        row, column = rng.integers(0, size_px - side + 1, 2).tolist()
        window = (row, column, side)
    return View(mirrored=bool(number & 1), reversed=bool(number & 2), window=window)
