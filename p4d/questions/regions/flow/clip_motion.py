"""What moves by itself in one clip, and how its picture moves as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.background import Background, background, through
from p4d.questions.regions.flow.blobs import Blob, blobs
from p4d.questions.regions.flow.light import is_shadow
from p4d.questions.regions.flow.paths import (
    PointPaths,
    borders_change,
    follow_points,
    least_moved_px,
    smoothed,
)
from p4d.questions.regions.flow.stirring import stirring
from p4d.questions.regions.flow.surfaces import Surfaces
from p4d.video.appearance import grey_levels

LEAST_OWN_SHARE = 0.03
"""Of the longer side of the picture: how far a thing goes at least, to be one that moves."""
LEAST_POINTS = 3
"""Points of a thing whose flow must be known, for the flow to count."""
MOST_APART_SHARE = 0.35
"""Of its motion: how far the flow of a thing may be from the way of its silhouette."""
LEAST_MOVED_PX = 1.0
"""What moves less changes no picture."""
COVERED = 0.3
"""Share of a small pixel that a mask must cover."""


@dataclass(frozen=True, kw_only=True)
class ThingMotion:
    """One thing and its places, in px of the analysed pictures.

    Attributes:
        masks_tss: its silhouette at the instants of the clip, squashed to a square.
        place_t2: centre (u, v) at these instants, NaN where it is lost.
        own_t2: the same with the motion of the background taken out.
        flow_t2: place in the first picture plus what the flow of its surface adds up to; NaN where
            that is not known.
        area_t: of the silhouette, NaN where it is lost.
    """

    masks_tss: NDArray[np.bool_]
    place_t2: NDArray[np.float64]
    own_t2: NDArray[np.float64]
    flow_t2: NDArray[np.float64]
    area_t: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClipMotion:
    """What is certain of the motion in a clip.

    Attributes:
        things: what moves by itself.
        doubts: why other parts of the picture are no things.
        view_t42: places of the corners of the first picture's middle at the instants of the clip,
            as the background carries them; NaN if the background is not certain.
        all_moved_px_tt: how far nearly all of the picture gets at least, between any two instants
            of the clip; NaN if that is not known.
        stirs_tt33, may_stir_tt33: shares of the picture that certainly move, and that may, in its
            three by three parts between any two instants of the clip; NaN if the camera does not
            certainly rest.
        size_px_2: width and height of the analysed pictures.
        side_px: of the masks.
    """

    things: tuple[ThingMotion, ...]
    doubts: tuple[str, ...]
    view_t42: NDArray[np.float64]
    all_moved_px_tt: NDArray[np.float64]
    stirs_tt33: NDArray[np.float64]
    may_stir_tt33: NDArray[np.float64]
    size_px_2: tuple[int, int]
    side_px: int


def clip_motion(
    cv: Any,  # noqa: ANN401
    rgb_thw3: NDArray[np.uint8],
    instants: Sequence[int],
    side_px: int,
) -> ClipMotion:
    """Measure a clip.

    Args:
        cv: OpenCV.
        rgb_thw3: successive pictures, close in time, in the proportions of the video.
        instants: which of them are the frames of the clip, the first one first.
        side_px: of the masks.
    """
    height, width = rgb_thw3.shape[1:3]
    middle = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]) * (width, height)
    grey_thw = grey_levels(rgb_thw3)
    paths = follow_points(cv, grey_thw)
    all_moved = _all_moved_px(cv, grey_thw, paths, instants)
    still = background(cv, paths, grey_thw)
    stirs, may_stir = np.full((2, len(instants), len(instants), 3, 3), np.nan)
    if still is None:
        unknown = np.full((len(instants), 4, 2), np.nan)
        return ClipMotion(
            things=(), doubts=("the motion of the background is not certain",), view_t42=unknown,
            all_moved_px_tt=all_moved, stirs_tt33=stirs, may_stir_tt33=may_stir,
            size_px_2=(width, height), side_px=side_px,
        )  # fmt: skip
    flowing = Surfaces(cv, rgb_thw3, instants, still)
    outlined = list(chain(blobs(cv, rgb_thw3, still), flowing.things()))
    if still.rests:
        outlined, shaded = _without_shadows(cv, rgb_thw3, outlined)
        stirs, may_stir = stirring(cv, grey_thw[list(instants)], flowing, shaded)
    found, doubts = [], []
    taken = np.zeros((height, width), bool)
    for blob in outlined:
        if isinstance(blob, str):
            doubts.append(blob)
            continue
        first = blob.mask_thw[0]
        if (first & taken).any():
            continue  # the thing has been found already
        made = _followed_thing(blob, flowing, paths, still, instants, side_px)
        if isinstance(made, str):
            doubts.append(made)
        else:
            found.append(made)
            taken |= first
    return ClipMotion(
        things=tuple(found),
        doubts=tuple(doubts),
        view_t42=np.stack([still.moved(middle, t) for t in instants]),
        all_moved_px_tt=all_moved,
        stirs_tt33=stirs,
        may_stir_tt33=may_stir,
        size_px_2=(width, height),
        side_px=side_px,
    )


def _all_moved_px(
    cv: Any,  # noqa: ANN401
    grey_thw: NDArray[np.uint8],
    paths: PointPaths,
    instants: Sequence[int],
) -> NDArray[np.float64]:
    """How far nearly all of the picture gets between any two instants; NaN if that is not known.

    Points on things may be all that can be followed: where the picture stays the same at its
    borders, it is not known that they are not.
    """
    moved = np.array([[least_moved_px(paths, a, b) for b in instants] for a in instants])
    shown = [smoothed(cv, grey_thw[t]) for t in instants]
    for i, j in combinations(range(len(instants)), 2):
        far = max(moved[j, i], moved[i, j]) >= LEAST_MOVED_PX
        if far and not borders_change(shown[i], shown[j]):
            moved[i, j] = moved[j, i] = np.nan
    return moved


def _without_shadows(
    cv: Any,  # noqa: ANN401
    rgb_thw3: NDArray[np.uint8],
    outlined: Iterable[Blob | str],
) -> tuple[list[Blob | str], NDArray[np.bool_]]:
    """Blobs, with the reason in place of one that is a shadow, and where shadows pass, [H, W]."""
    kept: list[Blob | str] = []
    shaded = np.zeros(rgb_thw3.shape[1:3], bool)
    for blob in outlined:
        if not isinstance(blob, str) and is_shadow(cv, rgb_thw3, blob.mask_thw):
            shaded |= blob.mask_thw.any(axis=0)
            kept.append("it changes the light on what is there, as a shadow does")
        else:
            kept.append(blob)
    return kept, shaded


def _followed_thing(
    blob: Blob,
    flowing: Surfaces,
    paths: PointPaths,
    still: Background,
    instants: Sequence[int],
    side_px: int,
) -> ThingMotion | str:
    """The places of a blob, or of what its flow makes of it where its outline is lost."""
    made = _thing(blob, paths, still, instants, side_px)
    if isinstance(made, str) or not np.isfinite(made.place_t2).all():
        # As where it passes another; its flow may tell more.
        again = _thing(flowing.followed(blob.mask_thw[0]), paths, still, instants, side_px)
        if isinstance(made, str) or _longer(again, made):
            return again
    return made


def _longer(one: ThingMotion | str, other: ThingMotion) -> bool:
    """Whether the one is a thing and is seen at more instants."""
    return not isinstance(one, str) and bool(
        np.isfinite(one.area_t).sum() > np.isfinite(other.area_t).sum()
    )


def _thing(
    blob: Blob, paths: PointPaths, still: Background, instants: Sequence[int], side_px: int
) -> ThingMotion | str:
    """The places of a blob, if it moves by itself and its flow agrees."""
    place, own, flow = (np.full((len(instants), 2), np.nan) for _ in range(3))
    area = np.full(len(instants), np.nan)
    column, row = paths.start_n2.astype(int).T
    members = np.flatnonzero(blob.mask_thw[0][row, column])
    for i, t in enumerate(instants):
        v, u = np.nonzero(blob.mask_thw[t])
        if not len(u):
            continue
        place[i] = u.mean(), v.mean()
        area[i] = len(u)
        back = np.linalg.inv(still.frame_H_first_t33[t])
        own[i] = through(back, place[i][None])[0]
        known = members[paths.known_nt[members, t]]
        if len(known) >= LEAST_POINTS:
            flow[i] = place[0] + np.median(paths.xy_nt2[known, t] - paths.start_n2[known], axis=0)
    went_px = np.linalg.norm(own - own[0], axis=1)
    if not np.nanmax(went_px) >= LEAST_OWN_SHARE * max(paths.size_hw):
        return "it hardly moves against the background"
    apart = np.linalg.norm(flow - place, axis=1)
    least_px = LEAST_OWN_SHARE * max(paths.size_hw)
    if (apart > np.maximum(least_px, MOST_APART_SHARE * went_px)).any():
        return "its surface and its silhouette move differently"
    masks = np.stack([squashed(blob.mask_thw[t], side_px) for t in instants])
    return ThingMotion(masks_tss=masks, place_t2=place, own_t2=own, flow_t2=flow, area_t=area)


def squashed(mask_hw: NDArray[np.bool_], side_px: int) -> NDArray[np.bool_]:
    """A mask on a small square, as the frames of clips are made; never empty if it was not."""
    height, width = mask_hw.shape
    v, u = np.nonzero(mask_hw)
    area = np.zeros((side_px, side_px))
    np.add.at(area, (v * side_px // height, u * side_px // width), side_px**2 / (height * width))
    return np.asarray((area >= min(COVERED, area.max(initial=0.0))) & (area > 0))
