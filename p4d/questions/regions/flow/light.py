"""Where the light on a surface changes and not the surface, as under a shadow that passes.

A shadow darkens the surface under it by one factor. Except at the border of the shadow, the
gradients of the logarithm of each colour therefore keep their values and places. The flow of a
moving thing carries its gradients to the next picture; a flow that follows the border of a shadow
does not. All colours are compared, because a pattern may have one brightness. On a surface without
texture only the border of a shadow is visible, and nothing distinguishes the shadow from a thing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FINE_PX, NEAR_PX = 1.0, 4.0
"""Deviations of the smoothing of a picture, and of the neighbourhood whose gradients count."""
DARK_LEVELS = 12.0
"""Added to the levels, so that noise in the dark has no large logarithm."""
LEAST_GRADIENT2 = 1e-7
LEAST_STAYS = 0.3
"""Correlation of the gradients of two pictures in place: of 0.3 and more, the texture stays."""
MOST_LED = 0.35
"""Where the flow leaves less than this part of the disagreement in place, a thing moves. Chosen on
the look `atelier`: of 103 parts of pictures in which something seemed to move, the 8 without a
thing are found, and 92 of the others stay."""
LEAST_UNCOVERED_PX = 30
"""Of the first place of a thing, that it leaves."""
SHADOW_GAIN, MOST_LEFT = (0.35, 0.97), 0.25
"""Factors by which a shadow darkens, and the part of the change that such a factor leaves. Marked
things of the look `panda` left 0.38 and more."""


def light_alone(
    cv: Any,  # noqa: ANN401
    here_hw3: NDArray[np.uint8],
    there_hw3: NDArray[np.uint8],
    flow_hw2: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Where the texture stays in place from one picture to another, whatever the flow says.

    Args:
        cv: OpenCV.
        here_hw3: a picture of a camera that rests.
        there_hw3: another one.
        flow_hw2: the flow from here to there, in px.
    """
    v, u = np.indices(flow_hw2.shape[:2], dtype=np.float32)
    led = cv.remap(
        there_hw3, u + flow_hw2[..., 0], v + flow_hw2[..., 1], cv.INTER_LINEAR,
        borderMode=cv.BORDER_REPLICATE,
    )  # fmt: skip
    here, there, led = (_gradients(cv, each) for each in (here_hw3, there_hw3, led))
    stays, follows = (_alike(cv, here, each) for each in (there, led))
    return np.asarray((stays > LEAST_STAYS) & (1 - follows > MOST_LED * (1 - stays)))


def _gradients(cv: Any, rgb_hw3: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """Of the logarithm of each colour, across and down, [H, W, 6]."""
    smooth = np.log(cv.GaussianBlur(rgb_hw3.astype(np.float32), (0, 0), FINE_PX) + DARK_LEVELS)
    return np.concatenate(
        [cv.Sobel(smooth, cv.CV_32F, 1, 0), cv.Sobel(smooth, cv.CV_32F, 0, 1)], axis=-1
    ) * np.float32(1 / 8)


def _alike(cv: Any, one_hw6: NDArray, other_hw6: NDArray) -> NDArray[np.float32]:  # noqa: ANN401
    """Correlation of two fields of gradients near each pixel."""
    both, one, other = (
        cv.GaussianBlur((a * b).sum(axis=-1), (0, 0), NEAR_PX)
        for a, b in ((one_hw6, other_hw6), (one_hw6, one_hw6), (other_hw6, other_hw6))
    )
    return np.asarray(both / np.sqrt(one * other + LEAST_GRADIENT2))


def is_shadow(
    cv: Any,  # noqa: ANN401
    rgb_thw3: NDArray[np.uint8],
    masks_thw: NDArray[np.bool_],
) -> bool:
    """Whether what has left its first place had but darkened what is there, by one factor.

    Of what never leaves its first place this is not known, and the answer is no.

    Args:
        cv: OpenCV.
        rgb_thw3: pictures of a camera that rests.
        masks_thw: one silhouette, empty where it is lost.
    """
    seen = np.flatnonzero(masks_thw.any(axis=(1, 2)))
    beside = np.ones((5, 5), np.uint8)
    first = cv.erode(masks_thw[0].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    left = [first & ~(cv.dilate(masks_thw[t].astype(np.uint8), beside) > 0) for t in seen]
    k = int(np.argmax([each.sum() for each in left]))
    if left[k].sum() < LEAST_UNCOVERED_PX:
        return False
    under, behind = (
        cv.GaussianBlur(rgb_thw3[t].astype(np.float32), (0, 0), FINE_PX)[left[k]]
        for t in (0, seen[k])
    )
    gain = float((under * behind).sum() / max(1.0, float((behind * behind).sum())))
    change, unexplained = np.abs(under - behind), np.abs(under - gain * behind)
    return bool(
        SHADOW_GAIN[0] <= gain <= SHADOW_GAIN[1]
        and np.median(unexplained) < MOST_LEFT * np.median(change)
    )
