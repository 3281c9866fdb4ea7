"""Where the light on a surface changes and not the surface, as under a shadow that passes.

A shadow darkens the surface under it by one factor. Except at the border of the shadow, the
gradients of the logarithm of each colour therefore keep their values and places. The flow of a
moving thing carries its gradients to the next picture; a flow that follows the border of a shadow
does not. All colours are compared, because a pattern may have one brightness.

On a surface without texture only the border of a shadow is visible. It moves as the outline of a
thing does, and so do the border of a lit patch and a highlight. But white light changes all colours
of a surface by one factor and leaves its hue. So a thing is certain where the hue changes, or where
texture that is always there does not stay in place (`shows_thing`). A grey thing on a plain ground
may be a shadow. Light that changes its colour, and images in a mirror, do change the hue.
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
LEAST_HUE, HUE_RATIO = 0.09, 0.26
"""Change of the logarithms of the colours against their mean, absolute and by the change of that
mean, that is no change of light. The blue of a clear sky in a shadow is 0.22 of its darkness."""
HUE_PX, NEAR_HUE_PX = 1.5, 4
"""Smoothing before hues are compared; so near to a change of hue counts as the same thing."""
HUE_SCALES = (0.7, 1.5)
"""By which the response of a camera or display may scale the hue of one surface as its light
changes."""
CLIPPED_LEVELS = 250.0
"""Where a colour of a picture is at its limit, its hue is not known."""
LEAST_TEXTURE2, NOISE_RATIO, MOST_OVER = 1e-4, 4.0, 4.0
"""Mean square of the gradients near a pixel at all instants that is texture, absolute and by that
of the noise; where it is more than so many times its least, a border passes that may be a
shadow's."""
QUIET_SHARE = 0.2
"""Of a picture that is taken not to move, so that its changes are noise."""
LEAST_UNCOVERED_PX = 30
"""Of the first place of a thing, that it leaves."""
SHADOW_GAIN, MOST_LEFT = (0.35, 0.97), 0.25
"""Factors by which a shadow darkens, and the part of the change that such a factor leaves. Marked
things of the look `panda` left 0.38 and more."""
MOST_THROUGH = 0.7
"""Correlation of the gradients of a silhouette with those of what is behind it: of more, what is
behind shows through, as through a lit patch, glass, or an image in a glossy floor."""


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


def shows_thing(
    cv: Any,  # noqa: ANN401
    here_hw3: NDArray[np.uint8],
    there_hw3: NDArray[np.uint8],
    least_texture_hw: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Where no white light alone, nor its absence, makes one picture of the other.

    Args:
        cv: OpenCV.
        here_hw3: a picture of a camera that rests.
        there_hw3: another one.
        least_texture_hw: from `least_texture`.
    """
    hue = _hue_changes(cv, here_hw3, there_hw3).astype(np.uint8)
    hue = cv.morphologyEx(hue, cv.MORPH_OPEN, np.ones((2, 2), np.uint8))
    side = 2 * NEAR_HUE_PX + 1
    here, there = _gradients(cv, here_hw3), _gradients(cv, there_hw3)
    noise = float(np.quantile(_energy(cv, here - there, here - there), QUIET_SHARE)) / 2
    lasts = least_texture_hw > max(LEAST_TEXTURE2, NOISE_RATIO * noise)
    for each in (here, there):
        lasts &= _energy(cv, each, each) < MOST_OVER * least_texture_hw
    goes = lasts & (_alike(cv, here, there) < LEAST_STAYS)
    return np.asarray((cv.dilate(hue, np.ones((side, side), np.uint8)) > 0) | goes)


def least_texture(cv: Any, rgb_thw3: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """Mean square of the gradients near each pixel, [H, W], in the picture that has the least."""
    energies = [_energy(cv, each, each) for each in (_gradients(cv, rgb) for rgb in rgb_thw3)]
    return np.asarray(np.min(energies, axis=0))


def _hue_changes(
    cv: Any,  # noqa: ANN401
    here_hw3: NDArray[np.uint8],
    there_hw3: NDArray[np.uint8],
) -> NDArray[np.bool_]:
    """Where the colours of two pictures differ by more than a factor, pixel by pixel."""
    smooth = [
        cv.GaussianBlur(each.astype(np.float32), (0, 0), HUE_PX) for each in (here_hw3, there_hw3)
    ]
    here, there = (np.log(each + np.float32(DARK_LEVELS)) for each in smooth)
    darker = np.abs((there - here).mean(axis=-1))
    here, there = (each - each.mean(axis=-1, keepdims=True) for each in (here, there))
    scale = (here * there).sum(axis=-1) / np.maximum((here * here).sum(axis=-1), 1e-6)
    scale = scale.clip(*HUE_SCALES)[..., None]
    change = np.linalg.norm(there - scale * here, axis=-1)
    known = np.max(smooth, axis=(0, -1)) < CLIPPED_LEVELS
    return np.asarray(known & (change > np.maximum(LEAST_HUE, HUE_RATIO * darker)))


def _gradients(cv: Any, rgb_hw3: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
    """Of the logarithm of each colour, across and down, [H, W, 6]."""
    smooth = np.log(cv.GaussianBlur(rgb_hw3.astype(np.float32), (0, 0), FINE_PX) + DARK_LEVELS)
    return np.concatenate(
        [cv.Sobel(smooth, cv.CV_32F, 1, 0), cv.Sobel(smooth, cv.CV_32F, 0, 1)], axis=-1
    ) * np.float32(1 / 8)


def _alike(cv: Any, one_hw6: NDArray, other_hw6: NDArray) -> NDArray[np.float32]:  # noqa: ANN401
    """Correlation of two fields of gradients near each pixel."""
    both, one, other = (
        _energy(cv, a, b)
        for a, b in ((one_hw6, other_hw6), (one_hw6, one_hw6), (other_hw6, other_hw6))
    )
    return np.asarray(both / np.sqrt(one * other + LEAST_GRADIENT2))


def _energy(cv: Any, one_hw6: NDArray, other_hw6: NDArray) -> NDArray[np.float32]:  # noqa: ANN401
    """Mean product of two fields of gradients near each pixel."""
    product = (one_hw6 * other_hw6).sum(axis=-1)
    return np.asarray(cv.GaussianBlur(product, (0, 0), NEAR_PX))


def is_shadow(
    cv: Any,  # noqa: ANN401
    rgb_thw3: NDArray[np.uint8],
    masks_thw: NDArray[np.bool_],
) -> bool:
    """Whether what has left its first place had but darkened what is there, or let it through.

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
    here, there = (_gradients(cv, rgb_thw3[t])[left[k]] for t in (0, seen[k]))
    both, one, other = (
        float((a * b).sum(axis=-1).mean()) for a, b in ((here, there), (here, here), (there, there))
    )
    if min(one, other) > LEAST_TEXTURE2 and both > MOST_THROUGH * (one * other) ** 0.5:
        return True
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
