"""The motion of the background through the picture: one homography per frame, or nothing.

A camera that turns, zooms or looks at something far or flat moves its background by a homography.
Where most points do not follow one, the scene is near and the camera travels, or something large
fills the picture; then nothing is certain about what moves by itself, and `background` returns
None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.paths import BORDER, PointPaths, changes, smoothed

INLIER_PX = 1.0
"""Residual of a point of the background in the first step, from its homography."""
LEAST_SHARE = 0.6
"""Of the textured points that are known in a frame, how many must follow the background."""
LEAST_BORDER = 0.6
"""The same of the points near the borders of the picture."""
LEAST_POINTS = 60
REST_PX = 0.6
"""How far a point of the background goes at most, if the camera rests."""
LEAST_RESTING = 0.15
LEAST_SPREAD = 0.15
"""Share of the picture that the hull of the resting points covers, if the camera rests."""
LEAST_SIDE, SIDE_RESTS = 40, 0.95
"""Textured points of a side of the picture that rests, and how many of them keep their place."""
SIDE_CHANGED = 0.01
"""Share of such a side that may change. On the 77 clips of the look `bullet` whose camera moves,
0.046 of a side and more did, and no point rested."""
LEAST_SIDE_SPREAD = 0.12
"""As `LEAST_SPREAD`, where a whole side rests."""
LEAST_QUARTER = 12
"""Points of the background in each quarter of the picture, at least."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """How the background moves.

    Attributes:
        frame_H_first_t33: homography from px of the first frame to px of each frame.
        is_part_n: points that follow it in all frames in which they are known.
        sigma_px: error of a point of the background about it, robust.
    """

    frame_H_first_t33: NDArray[np.float64]
    is_part_n: NDArray[np.bool_]
    sigma_px: float

    @property
    def rests(self) -> bool:
        """Whether nothing of it moves: the camera rests."""
        return bool((self.frame_H_first_t33 == np.eye(3)).all())

    def moved(self, xy_n2: NDArray, t: int) -> NDArray[np.float64]:
        """Where the background at places of the first frame is in frame t."""
        return through(self.frame_H_first_t33[t], xy_n2)


def through(homography_33: NDArray, xy_n2: NDArray) -> NDArray[np.float64]:
    """Places through a homography."""
    mapped = np.c_[np.asarray(xy_n2, np.float64), np.ones(len(xy_n2))] @ homography_33.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def background(cv: Any, paths: PointPaths, grey_thw: NDArray[np.uint8]) -> Background | None:  # noqa: ANN401
    """Fit the background; None if it is not certain which points are part of it.

    Args:
        cv: OpenCV.
        paths: of points of the first picture.
        grey_thw: the pictures.
    """
    if (resting := _resting(cv, paths, grey_thw)) is not None:
        return resting
    homographies = [np.eye(3)]
    usable = paths.textured_n & paths.known_nt[:, 0]
    follows = np.where(usable, 0, 1)  # frames in which a point does not follow
    errors = []
    for t in range(1, paths.frames):
        known = usable & paths.known_nt[:, t]
        if known.sum() < LEAST_POINTS:
            return None
        homography, inlier = _fitted(cv, paths, known, t)
        if homography is None or not _certain(paths, known, inlier):
            return None
        homographies.append(homography)
        follows += known & ~inlier
        error = np.linalg.norm(
            through(homography, paths.start_n2[inlier]) - paths.xy_nt2[inlier, t], axis=1
        )
        errors.append(float(np.median(error)))
    return Background(
        frame_H_first_t33=np.stack(homographies),
        is_part_n=follows == 0,
        sigma_px=max(
            0.1, 0.85 * max(errors, default=0.0)
        ),  # of one axis; a Rayleigh median is 1.18
    )


_MEDIAN_OF_SIGMA = 1.18
"""Median length of a vector whose components err by 1 (Rayleigh)."""


def _resting(cv: Any, paths: PointPaths, grey_thw: NDArray[np.uint8]) -> Background | None:  # noqa: ANN401
    """The background of a camera that rests; None if it does not, or if that is not certain.

    Points that keep their place to a fraction of a pixel, far apart in the picture, are no
    accident, even if something large moves in front of them.
    """
    height, width = paths.size_hw
    usable = paths.textured_n & (paths.known_nt.sum(axis=1) >= paths.frames // 2)
    away = np.linalg.norm(paths.xy_nt2 - paths.start_n2[:, None], axis=2)
    rests = usable & (np.where(paths.known_nt, away, 0.0).max(axis=1) <= REST_PX)
    if rests.sum() < max(LEAST_POINTS, LEAST_RESTING * usable.sum()):
        return None
    # A camera that goes around a thing keeps a band of the picture in place, and not its borders:
    # there 0.3 of the points kept theirs, and 0.86 and more where a camera rested.
    border = usable & _near_border(paths)
    at_border = (rests & border).sum() >= LEAST_BORDER * max(1, border.sum())
    if not at_border and not _a_side_rests(cv, paths, usable, rests, grey_thw):
        return None
    hull = cv.convexHull(paths.start_n2[rests])
    if cv.contourArea(hull) < (LEAST_SPREAD if at_border else LEAST_SIDE_SPREAD) * height * width:
        return None
    drift_px = np.linalg.norm(
        np.median(paths.xy_nt2[rests] - paths.start_n2[rests][:, None], axis=0), axis=1
    ).max()
    return Background(
        frame_H_first_t33=np.repeat(np.eye(3)[None], paths.frames, axis=0),
        is_part_n=rests,
        sigma_px=max(0.1, float(drift_px)),
    )


def _a_side_rests(
    cv: Any,  # noqa: ANN401
    paths: PointPaths,
    usable: NDArray[np.bool_],
    rests: NDArray[np.bool_],
    grey_thw: NDArray[np.uint8],
) -> bool:
    """Whether the left or right side of the picture, from top to bottom, does not change at all.

    Something large, like a face, may hide all other borders of a camera that rests. A camera that
    travels moves what is near, as the ground at the foot of a side; one that turns moves all.
    """
    width = paths.size_hw[1]
    first = smoothed(cv, grey_thw[0])
    changed = np.zeros(paths.size_hw, bool)
    for grey_hw in grey_thw[1:]:
        changed |= changes(first, smoothed(cv, grey_hw))
    band = round(BORDER * width)
    across = paths.start_n2[:, 0]
    for part, points in (
        (changed[:, :band], usable & (across < band)),
        (changed[:, width - band :], usable & (across >= width - band)),
    ):
        known = int(points.sum())
        if (
            known >= LEAST_SIDE
            and (rests & points).sum() >= SIDE_RESTS * known
            and part.mean() <= SIDE_CHANGED
        ):
            return True
    return False


def _fitted(
    cv: Any,  # noqa: ANN401
    paths: PointPaths,
    known: NDArray[np.bool_],
    t: int,
) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_]]:
    """The homography of frame t by RANSAC, and which points follow it."""
    cv.setRNGSeed(0)
    start, now = paths.start_n2[known], paths.xy_nt2[known, t]
    homography, mask = cv.findHomography(start, now, cv.RANSAC, INLIER_PX, maxIters=2000)
    inlier = np.zeros(len(known), bool)
    if homography is not None:
        inlier[np.flatnonzero(known)[mask.ravel() > 0]] = True
    return homography, inlier


def _certain(
    paths: PointPaths, known: NDArray[np.bool_], inlier: NDArray[np.bool_]
) -> NDArray[np.bool_] | bool:
    """Whether the inliers are the background and not something large in front of it."""
    height, width = paths.size_hw
    share = paths.start_n2 / (width, height)
    border = known & _near_border(paths)
    quarter = 2 * (share[:, 1] > 0.5) + (share[:, 0] > 0.5)
    quarters = np.bincount(quarter[inlier], minlength=4)
    return bool(
        inlier.sum() >= LEAST_SHARE * known.sum()
        and (inlier & border).sum() >= LEAST_BORDER * max(1, border.sum())
        and (quarters >= LEAST_QUARTER).sum() >= 3
    )


def _near_border(paths: PointPaths) -> NDArray[np.bool_]:
    """Points that start near a border of the picture."""
    height, width = paths.size_hw
    share = paths.start_n2 / (width, height)
    return np.asarray(((share < BORDER) | (share > 1 - BORDER)).any(axis=1))
