"""Silhouettes of things in front of a known background, followed by overlap.

The pictures are laid over the first one by the motion of the background; the median over time is
the background without what passes through it. What differs from it in a frame is a blob. A blob of
the first frame is followed as long as it overlaps with exactly one blob of the next frame; where
two meet or one falls apart, nothing is certain of either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.background import Background

LEAST_DIFFERENCE = 22.0
"""Grey levels, of any channel, by which a thing differs from the background behind it."""
NOISE_SIGMAS = 5.0
LEAST_SHARE = 0.0012
"""Of the picture, that a blob covers."""
MOST_SHARE = 0.3
GHOST_RATIO = 1.2
"""The outline of a thing is so many times clearer in its frame than in the background alone."""
LEAST_SOLIDITY = 0.55
MOST_GROWTH = 2.2
"""Largest over smallest area of a blob within a clip."""
WAIST = 0.25
"""A blob that falls apart when it is eroded by this share of its narrower side is two things."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A silhouette in every frame in which it is certain.

    Attributes:
        mask_thw: in the pictures as they are; empty where it is lost.
    """

    mask_thw: NDArray[np.bool_]


def blobs(cv: Any, rgb_thw3: NDArray[np.uint8], still: Background) -> Iterator[Blob | str]:  # noqa: ANN401
    """Yield the blobs of the first frame; the reason instead, for one that is not certain."""
    frames, height, width, _ = rgb_thw3.shape
    laid = np.stack([_laid(cv, rgb, still, t) for t, rgb in enumerate(rgb_thw3)])
    valid = np.stack(
        [_laid(cv, np.full((height, width), 255, np.uint8), still, t) > 200 for t in range(frames)]
    )
    behind = np.median(laid, axis=0)
    differs = np.abs(laid.astype(np.float32) - behind).max(axis=-1)
    noise = 1.48 * np.median(np.where(valid, differs, np.nan_to_num(0.0)), axis=0)
    limit = np.maximum(LEAST_DIFFERENCE, NOISE_SIGMAS * noise)
    labels = [_components(cv, (differs[t] > limit) & valid[t]) for t in range(frames)]
    for first in _good(labels[0], height * width):
        track = _followed(labels, first)
        if isinstance(track, str):
            yield track
            continue
        reason = _doubt(cv, track, laid[0], behind.astype(np.uint8))
        if reason:
            yield reason
            continue
        seen = [t for t in range(frames) if track[t].any()]
        mask = np.zeros((frames, height, width), bool)
        for t in seen:
            back = cv.warpPerspective(
                track[t].astype(np.uint8), still.frame_H_first_t33[t], (width, height)
            )
            mask[t] = back > 0
        yield Blob(mask_thw=mask)


def _laid(cv: Any, picture: NDArray, still: Background, t: int) -> NDArray:  # noqa: ANN401
    """A picture on the pixels of the first one."""
    height, width = picture.shape[:2]
    homography = still.frame_H_first_t33[t]
    if np.array_equal(homography, np.eye(3)):
        return picture
    flags = cv.INTER_LINEAR | cv.WARP_INVERSE_MAP
    return np.asarray(cv.warpPerspective(picture, homography, (width, height), flags=flags))


def _components(cv: Any, differs_hw: NDArray[np.bool_]) -> NDArray[np.int32]:  # noqa: ANN401
    side = max(3, round(max(differs_hw.shape) * 0.012) | 1)
    mask = cv.morphologyEx(differs_hw.astype(np.uint8), cv.MORPH_OPEN, np.ones((2, 2), np.uint8))
    mask = cv.morphologyEx(mask, cv.MORPH_CLOSE, np.ones((2 * side - 1, side), np.uint8))
    return np.asarray(cv.connectedComponents(mask, connectivity=8)[1])


def _good(label_hw: NDArray[np.int32], pixels: int) -> list[int]:
    """Blobs of the first frame that are neither specks nor half the picture, largest first."""
    areas = np.bincount(label_hw.ravel())
    fit = [
        k for k in range(1, len(areas)) if LEAST_SHARE * pixels <= areas[k] <= MOST_SHARE * pixels
    ]
    return sorted(fit, key=lambda k: (-areas[k], k))


def _followed(labels: list[NDArray[np.int32]], first: int) -> NDArray[np.bool_] | str:
    """The masks of a blob from frame to frame, or why it cannot be followed."""
    masks = np.zeros((len(labels), *labels[0].shape), bool)
    masks[0] = labels[0] == first
    areas = [int(masks[0].sum())]
    for t in range(1, len(labels)):
        counts = np.bincount(labels[t][masks[t - 1]], minlength=2)
        counts[0] = 0
        hit = np.flatnonzero(counts > 0.03 * areas[-1])
        if not len(hit):
            break
        if len(hit) > 1 and np.sort(counts)[-2] > 0.1 * areas[-1]:
            return f"it falls apart (frame {t})"
        now = labels[t] == int(np.argmax(counts))
        back = np.bincount(labels[t - 1][now], minlength=2)
        back[0] = 0
        if np.sort(back)[-2] > 0.1 * areas[-1]:
            break  # it meets something else
        areas.append(int(now.sum()))
        if max(areas) > MOST_GROWTH * min(areas):
            break  # something hides it, or joins it
        masks[t] = now
    return masks


def _doubt(
    cv: Any,  # noqa: ANN401
    track: NDArray[np.bool_],
    first_hw3: NDArray[np.uint8],
    behind_hw3: NDArray[np.uint8],
) -> str | None:
    """Why a blob may be no single thing, if so."""
    mask = track[0]
    reason = shape_doubt(cv, mask)
    if reason:
        return reason
    u, v = _outline(cv, mask)[:, 0].T
    here, there = (_edges(cv, picture)[v, u].mean() for picture in (first_hw3, behind_hw3))
    if here < GHOST_RATIO * there:
        return "its outline belongs to the background, as where something has left"
    return None


def shape_doubt(cv: Any, mask: NDArray[np.bool_]) -> str | None:  # noqa: ANN401
    """Why a silhouette may be no single thing, by its shape alone, if so."""
    if touches_border(mask):
        return "it reaches over the border of the picture"
    outline = _outline(cv, mask)
    if mask.sum() < LEAST_SOLIDITY * max(1.0, cv.contourArea(cv.convexHull(outline))):
        return "its outline has deep bays: several things, or a part of one"
    rows, columns = np.nonzero(mask)
    narrow = min(np.ptp(rows), np.ptp(columns)) + 1
    radius = max(1, int(WAIST * narrow))
    eroded = cv.erode(mask.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8))
    parts = np.bincount(cv.connectedComponents(eroded)[1].ravel())[1:]
    if (parts > 0.15 * parts.sum()).sum() > 1:
        return "it has a waist: several things, or a part of one"
    return None


def _outline(cv: Any, mask: NDArray[np.bool_]) -> NDArray[np.int32]:  # noqa: ANN401
    """The longest outer outline, [N, 1, 2]."""
    contours, _ = cv.findContours(mask.astype(np.uint8), cv.RETR_EXTERNAL, cv.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=len))


def touches_border(mask_hw: NDArray[np.bool_]) -> bool:
    """Whether a silhouette reaches over the border of the picture."""
    return bool(
        mask_hw[:2].any() or mask_hw[-2:].any() or mask_hw[:, :2].any() or mask_hw[:, -2:].any()
    )


def _edges(cv: Any, rgb_hw3: NDArray[np.uint8]) -> NDArray:  # noqa: ANN401
    grey = cv.cvtColor(rgb_hw3, cv.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv.Sobel(grey, cv.CV_32F, 1, 0), cv.Sobel(grey, cv.CV_32F, 0, 1)
    return np.asarray(cv.dilate(np.hypot(across, down), np.ones((3, 3), np.uint8)))
