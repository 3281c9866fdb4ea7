"""Silhouettes of things by the flow of their surface, one thing each.

`blobs.py` must see what is behind a thing, so it misses things that hide the same background for
most of a clip. Here a thing is what flows against the background from one instant of the clip to
the next. Places whose flow changes abruptly belong to different things. What does not flow like one
plane, meets another or falls apart is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.regions.flow.background import Background, through
from p4d.questions.regions.flow.blobs import Blob, shape_doubt, touches_border
from p4d.questions.regions.flow.borne_out import borne_out
from p4d.questions.regions.flow.light import least_texture, light_alone, shows_thing
from p4d.teachers.flow_dis import cycle_closes, dis_flow
from p4d.video.appearance import grey_levels

LEAST_FLOW_PX = 1.3
"""Between two instants of a clip, of what moves; the flow of a background at rest errs by 0.3."""
FLOW_SIGMAS = 5.0
CUT_PX, CUT_RATIO = 0.25, 0.06
"""Change of the flow per pixel, absolute and by its length, at the border between two things."""
LEAST_UNLIKE, NOISE_RATIO, SEEN_SHARE = 2.0, 1.5, 0.4
"""Grey levels, and multiples of the noise, by which pixels differ from those of a background that
moves as it should; so many of a thing must."""
LEAST_AREA, MOST_AREA = 0.002, 0.25
"""Shares of the picture."""
ONE_PLANE_PX, ONE_PLANE_RATIO, ONE_PLANE_SHARE = 0.8, 0.08, 0.8
"""Of the pixels of a thing, so many follow one shift, turn and growth to this, absolute or by the
length of their flow."""
SAME_SHARE = 0.72
"""Intersection over union of a thing and of what its flow makes of it, from instant to instant."""
ALIKE_SHARE = 0.7
"""Of a thing whose outline is not clear, so much flows alike, and of what it has left, no more than
the rest does."""
RESTING_SHARE = 0.25
"""A thing of which less still flows has come to rest."""
MOST_GROWTH = 2.2


@dataclass(frozen=True, kw_only=True)
class _Instant:
    """One instant of a clip.

    Attributes:
        own_hw2: flow against the background per step, to the next instant or from the last one.
        moves_hw: where it is long.
        seen_hw: where the picture itself shows that the background does not move so.
        onward_hw: where both hold from here to the next instant, and light does not explain it;
            what ended here is not in it.
        label_hw: numbers of the surfaces that flow alike, 0 for none.
    """

    own_hw2: NDArray[np.float32]
    moves_hw: NDArray[np.bool_]
    seen_hw: NDArray[np.bool_]
    onward_hw: NDArray[np.bool_]
    label_hw: NDArray[np.int32]


class Surfaces:
    """What flows in one clip."""

    def __init__(
        self,
        cv: Any,  # noqa: ANN401
        rgb_thw3: NDArray[np.uint8],
        instants: Sequence[int],
        still: Background,
    ) -> None:
        """Measure the flow.

        Args:
            cv: OpenCV.
            rgb_thw3: the pictures.
            instants: frames of the clip among them.
            still: the background.
        """
        self._still = still
        self._steps = _steps(cv, rgb_thw3, instants)
        self._found = [_instant(self._steps, still, i) for i in range(len(instants))]

    def certain(self, i: int) -> NDArray[np.bool_]:
        """Where something certainly moves from instant i to the next."""
        return self._found[i].onward_hw

    def things(self) -> Iterator[Blob | str]:
        """Yield the things of the first instant, with masks at the instants; else why not."""
        cv, first = self._steps.cv, self._found[0]
        areas = np.bincount(first.label_hw.ravel())
        for k in sorted(range(1, len(areas)), key=lambda k: (-areas[k], k)):
            if not LEAST_AREA <= areas[k] / first.label_hw.size <= MOST_AREA:
                continue
            mask = first.label_hw == k
            reason = shape_doubt(cv, mask)
            if reason is None and first.seen_hw[mask].mean() < SEEN_SHARE:
                reason = "its flow is a guess: the picture would look the same at rest"
            if reason is None and not _one_plane(cv, mask, first.own_hw2):
                reason = "its surface does not flow like one thing"
            if reason is None:
                masks = self.followed(mask).mask_thw
                kept = borne_out(cv, self._steps.grey_thw, masks, self._still, self._steps.instants)
                if kept is not None:
                    yield Blob(mask_thw=kept)
                    continue
                reason = "most of its mask does not change as it moves"
            yield reason

    def followed(self, mask_hw: NDArray[np.bool_]) -> Blob:
        """A silhouette of the first instant, at the instants at which its flow shows its place."""
        masks = np.zeros(self._steps.grey_thw.shape, bool)
        for i, one in enumerate(_followed(self._steps, mask_hw, self._found)):
            masks[self._steps.instants[i]] = one
        return Blob(mask_thw=masks)


def _steps(cv: Any, rgb_thw3: NDArray[np.uint8], instants: Sequence[int]) -> _Steps:  # noqa: ANN401
    pairs = list(pairwise(instants))
    grey_thw = grey_levels(rgb_thw3)
    forward = [dis_flow(cv, grey_thw[a], grey_thw[b]) for a, b in pairs]
    backward = [dis_flow(cv, grey_thw[b], grey_thw[a]) for a, b in pairs]
    return _Steps(
        cv=cv, rgb_thw3=rgb_thw3, grey_thw=grey_thw, instants=instants, forward=forward,
        backward=backward,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """The flow from each instant to the next, and back."""

    cv: Any
    rgb_thw3: NDArray[np.uint8]
    grey_thw: NDArray[np.uint8]
    instants: Sequence[int]
    forward: Sequence[NDArray[np.float32]]
    backward: Sequence[NDArray[np.float32]]

    @cached_property
    def least_texture_hw(self) -> NDArray[np.float32]:
        """Of the instants."""
        return least_texture(self.cv, self.rgb_thw3[list(self.instants)])

    def of(self, i: int) -> Iterator[tuple[NDArray, NDArray, int, float]]:
        """Flow from instant i and back to it, the other frame, and the sense of time."""
        if i > 0:
            yield self.backward[i - 1], self.forward[i - 1], self.instants[i - 1], -1.0
        if i < len(self.forward):  # the later one counts
            yield self.forward[i], self.backward[i], self.instants[i + 1], 1.0


def _instant(steps: _Steps, still: Background, i: int) -> _Instant:
    """What flows at an instant."""
    frame = steps.instants[i]
    size_hw = steps.grey_thw.shape[1:]
    own = np.zeros((*size_hw, 2), np.float32)
    moves, seen, onward = np.zeros((3, *size_hw), bool)
    for there, back, other, sign in steps.of(i):
        rest = _background_flow(still, frame, other, (size_hw[0], size_hw[1]))
        closes = cycle_closes(there, back)
        length = np.linalg.norm(there - rest, axis=-1)
        here = closes & (length > max(LEAST_FLOW_PX, FLOW_SIGMAS * still.sigma_px))
        fresh = closes & (here | ~moves)
        own[fresh] = sign * (there - rest)[fresh]
        moves |= here
        unlike_rest, unlike = (
            _unlike(steps.cv, steps.grey_thw[frame], steps.grey_thw[other], each)
            for each in (rest, there)
        )
        noise = float(np.median(unlike_rest))
        shown = (unlike_rest > LEAST_UNLIKE + NOISE_RATIO * noise) & (unlike_rest > 1.5 * unlike)
        seen |= shown
        if sign > 0:
            onward = here & shown
            if still.rests and onward.any():
                pictures = steps.rgb_thw3[frame], steps.rgb_thw3[other]
                onward &= ~light_alone(steps.cv, *pictures, there)
                onward &= shows_thing(steps.cv, *pictures, steps.least_texture_hw)
    return _Instant(
        own_hw2=own, moves_hw=moves, seen_hw=seen, onward_hw=np.asarray(onward),
        label_hw=_labels(steps.cv, own, moves),
    )  # fmt: skip


def _unlike(cv: Any, here_hw: NDArray, there_hw: NDArray, flow_hw2: NDArray) -> NDArray:  # noqa: ANN401
    """Mean difference in grey levels, near each pixel, to where a flow leads."""
    v, u = np.indices(here_hw.shape, dtype=np.float32)
    led = cv.remap(
        there_hw, u + flow_hw2[..., 0], v + flow_hw2[..., 1], cv.INTER_LINEAR,
        borderMode=cv.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(cv.blur(cv.absdiff(here_hw, led).astype(np.float32), (9, 9)))


def _background_flow(
    still: Background, here: int, there: int, size_hw: tuple[int, int]
) -> NDArray[np.float32]:
    """How the background flows from one frame to another, at each pixel."""
    one, other = still.frame_H_first_t33[here], still.frame_H_first_t33[there]
    height, width = size_hw
    if np.array_equal(one, other):
        return np.zeros((height, width, 2), np.float32)
    v, u = np.mgrid[:height, :width]
    places = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64)
    moved = through(other @ np.linalg.inv(one), places) - places
    return moved.reshape(height, width, 2).astype(np.float32)


def _labels(cv: Any, own_hw2: NDArray, moves_hw: NDArray[np.bool_]) -> NDArray[np.int32]:  # noqa: ANN401
    """Numbers of connected surfaces without an abrupt change of flow."""
    change = np.zeros(moves_hw.shape, np.float32)
    for axis in range(2):
        part = np.ascontiguousarray(own_hw2[..., axis])
        across, down = cv.Sobel(part, cv.CV_32F, 1, 0), cv.Sobel(part, cv.CV_32F, 0, 1)
        change = np.hypot(change, np.hypot(across, down) / 8)
    limit = np.maximum(CUT_PX, CUT_RATIO * np.linalg.norm(own_hw2, axis=-1))
    whole = cv.morphologyEx(moves_hw.astype(np.uint8), cv.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    smooth = (whole > 0) & (change <= limit)
    core = cv.morphologyEx(smooth.astype(np.uint8), cv.MORPH_OPEN, np.ones((5, 5), np.uint8))
    label = cv.connectedComponents(core, connectivity=4)[1].astype(np.int32)
    # What is left at borders goes to the surface next to it.
    for _ in range(4):
        grown = cv.dilate(label.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        label = np.where((label == 0) & (whole > 0), grown, label)
    return np.asarray(label)


def _one_plane(cv: Any, mask_hw: NDArray[np.bool_], own_hw2: NDArray) -> bool:  # noqa: ANN401
    """Whether the pixels of a thing follow one shift, turn and growth."""
    length_px = float(np.linalg.norm(np.median(own_hw2[mask_hw], axis=0)))
    within_px = max(ONE_PLANE_PX, ONE_PLANE_RATIO * length_px)
    _, share = _shift_turn_growth(cv, mask_hw, own_hw2, within_px, pixels=2000)
    return share >= ONE_PLANE_SHARE


def _shift_turn_growth(
    cv: Any,  # noqa: ANN401
    mask_hw: NDArray[np.bool_],
    flow_hw2: NDArray,
    within_px: float,
    pixels: int,
) -> tuple[NDArray | None, float]:
    """The one shift, turn and growth of a surface, [2, 3], and the share of it that follows.

    It is fitted to about so many pixels of the surface; None if they allow no fit.
    """
    v, u = np.nonzero(mask_hw)
    some = slice(None, None, max(1, len(u) // pixels))
    start = np.stack([u, v], axis=1).astype(np.float32)[some]
    flow = flow_hw2[v, u][some]
    cv.setRNGSeed(0)
    affine, inlier = cv.estimateAffinePartial2D(
        np.ascontiguousarray(start), np.ascontiguousarray(start + flow), method=cv.RANSAC,
        ransacReprojThreshold=within_px,
    )  # fmt: skip
    return affine, 0.0 if inlier is None else float(inlier.mean())


def _followed(
    steps: _Steps, mask_hw: NDArray[np.bool_], found: Sequence[_Instant]
) -> Iterator[NDArray[np.bool_]]:
    """The masks of a thing from instant to instant, as long as it is certain."""
    yield mask_hw
    areas = [int(mask_hw.sum())]
    mask = mask_hw
    for i, now in enumerate(found[1:]):
        expected = _carried(steps.cv, mask, steps.forward[i])
        if expected is None:
            return
        went_px = np.linalg.norm(_middle(expected) - _middle(mask))
        counts = np.bincount(now.label_hw[expected], minlength=2)
        counts[0] = 0
        seen = now.label_hw == int(np.argmax(counts))
        if (now.moves_hw & expected).sum() < RESTING_SHARE * expected.sum():
            if went_px > LEAST_FLOW_PX:
                return  # it went there and is not there
            mask = expected
        elif (seen & expected).sum() >= SAME_SHARE * (seen | expected).sum():
            mask = seen
        elif _goes_on(now, expected, mask & ~expected):
            mask = expected
        else:
            return
        areas.append(int(mask.sum()))
        if max(areas) > MOST_GROWTH * min(areas) or touches_border(mask):
            return
        yield mask


def _middle(mask_hw: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.array([each.mean() for each in np.nonzero(mask_hw)])


def _carried(cv: Any, mask_hw: NDArray[np.bool_], flow_hw2: NDArray) -> NDArray[np.bool_] | None:  # noqa: ANN401
    """A mask where most of its flow leads; None if its flow leads nowhere."""
    affine, share = _shift_turn_growth(cv, mask_hw, flow_hw2, ONE_PLANE_PX, pixels=1000)
    if affine is None or share < 0.5:
        return None
    height, width = mask_hw.shape
    moved = cv.warpAffine(mask_hw.astype(np.uint8), affine, (width, height)) > 0
    return moved if moved.any() else None


def _goes_on(now: _Instant, mask_hw: NDArray[np.bool_], left_hw: NDArray[np.bool_]) -> bool:
    """Whether a thing is where its flow leads, though its outline is not clear, as beside another.

    What turns in place flows out of its outline: behind it, the same flow goes on.
    """
    inside = now.own_hw2[mask_hw & now.moves_hw]
    if len(inside) < ALIKE_SHARE * mask_hw.sum():
        return False
    middle = np.median(inside, axis=0)
    alike = np.linalg.norm(now.own_hw2 - middle, axis=-1) < 0.4 * np.linalg.norm(middle)
    alike &= now.moves_hw
    behind = float(alike[left_hw].mean()) if left_hw.any() else 0.0
    return bool(alike[mask_hw].mean() >= ALIKE_SHARE and behind <= 1 - ALIKE_SHARE)
