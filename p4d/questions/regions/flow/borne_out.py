"""How much of a silhouette by flow the pictures bear out.

Flow says nothing of a plain surface: around a small thing the surface seems to move with it, and
the silhouette grows. The picture itself changes only where the thing is, was or comes to. So the
hull of the changed pixels contains the thing along its whole path. At one instant the thing covers
those pixels that stay in the hull when they are shifted along the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.background import Background
from p4d.questions.regions.flow.paths import CHANGED_LEVELS, smoothed

NOISE_RATIO = 4.0
"""Multiples of the median change of a pair of pictures: what changes by less is noise."""
SMOOTH_MARGIN_PX = 2
"""By how much a change looks wider in smoothed pictures."""
SEARCH_PARTS = 2
"""A thing is looked for as far as this part of its size from where its mask says that it went."""
LEAST_KEPT = 0.25
"""Share of a silhouette that must be borne out; of less, it is not known what moves there."""


def borne_out(
    cv: Any,  # noqa: ANN401
    grey_thw: NDArray[np.uint8],
    masks_thw: NDArray[np.bool_],
    still: Background,
    instants: Sequence[int],
) -> NDArray[np.bool_] | None:
    """The part of each mask that the pictures bear out; None if that is too little of the first.

    Args:
        cv: OpenCV.
        grey_thw: the pictures.
        masks_thw: of one thing, empty in pictures in which it is lost, and not in the first.
        still: the background.
        instants: pictures with a mask among them.
    """
    seen = [t for t in instants if masks_thw[t].any()]
    height, width = grey_thw.shape[1:]
    onto_first = [np.linalg.inv(still.frame_H_first_t33[t]) for t in seen]
    masks = [_warped(cv, masks_thw[t], onto) for t, onto in zip(seen, onto_first, strict=True)]
    swept = np.any(masks, axis=0)
    laid = [
        smoothed(cv, _warped(cv, grey_thw[t], onto))
        for t, onto in zip(seen, onto_first, strict=True)
    ]
    hull = _hull(cv, _changed(cv, laid) & swept)
    if hull is None:
        return None
    went = [_went(cv, laid[0], masks[0], *each) for each in zip(laid, masks, strict=True)]
    kept = np.zeros_like(masks_thw)
    for k, t in enumerate(seen):
        within = np.ones((height, width), bool)
        for other in went:
            by = np.eye(3)
            by[:2, 2] = went[k] - other
            within &= _warped(cv, hull, by)
        kept[t] = masks_thw[t] & _warped(cv, within, still.frame_H_first_t33[t])
    if kept[seen[0]].sum() < LEAST_KEPT * masks_thw[seen[0]].sum():
        return None
    return kept


def _changed(cv: Any, smooth: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:  # noqa: ANN401
    """Where any two pictures differ by more than their noise."""
    changed = np.zeros(smooth[0].shape, bool)
    for one, other in combinations(smooth, 2):
        change = np.abs(one - other)
        limit = max(CHANGED_LEVELS, NOISE_RATIO * float(np.median(change)))
        above = (change > limit).astype(np.uint8)
        changed |= cv.morphologyEx(above, cv.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    side = 2 * SMOOTH_MARGIN_PX + 1
    return np.asarray(cv.erode(changed.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _went(
    cv: Any,  # noqa: ANN401
    first_hw: NDArray[np.float32],
    first_mask_hw: NDArray[np.bool_],
    now_hw: NDArray[np.float32],
    now_mask_hw: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """How far a thing went, (u, v) in whole px: where what is in its first mask fits best.

    The middle of a mask tells it roughly: with what does not move in it, its outline wavers.
    """
    v, u = np.nonzero(first_mask_hw)
    left, top, width, height = u.min(), v.min(), np.ptp(u) + 1, np.ptp(v) + 1
    middle, now = (
        np.array([each.mean() for each in np.nonzero(mask)[::-1]])
        for mask in (first_mask_hw, now_mask_hw)
    )
    about = np.rint(now - middle).astype(int)
    reach = np.array([width, height]) // SEARCH_PARTS + 1
    size = np.array(first_hw.shape[::-1])
    corner = np.array([left, top])
    low = np.maximum(corner + about - reach, 0)
    high = np.minimum(corner + about + reach + (width, height), size)
    if (high - low < (width, height)).any():
        return about
    box = np.s_[top : top + height, left : left + width]
    unlike = cv.matchTemplate(
        now_hw[low[1] : high[1], low[0] : high[0]], first_hw[box], cv.TM_SQDIFF,
        mask=first_mask_hw[box].astype(np.float32),
    )  # fmt: skip
    down, across = np.unravel_index(int(np.argmin(unlike)), unlike.shape)
    return np.asarray(low + np.array([across, down]) - corner)


def _hull(cv: Any, mask_hw: NDArray[np.bool_]) -> NDArray[np.bool_] | None:  # noqa: ANN401
    """The convex hull of a mask; None of an empty one."""
    if not mask_hw.any():
        return None
    corners = cv.convexHull(np.argwhere(mask_hw)[:, ::-1].astype(np.int32))
    filled = np.zeros(mask_hw.shape, np.uint8)
    cv.fillConvexPoly(filled, corners, 1)
    return filled > 0


def _warped(cv: Any, picture_hw: NDArray, homography_33: NDArray) -> NDArray:  # noqa: ANN401
    """A picture or mask through a homography."""
    if np.array_equal(homography_33, np.eye(3)):
        return picture_hw
    height, width = picture_hw.shape
    values = picture_hw.astype(np.uint8)
    warped = cv.warpPerspective(values, homography_33, (width, height), flags=cv.INTER_LINEAR)
    return np.asarray(warped > 0 if picture_hw.dtype == bool else warped)
