"""How well a truth explains the pictures of its video, as stated and in other conventions.

A truth in another convention is consistent with itself and wrong: depth along the ray instead of
the axis, poses from world to camera, axes of another library, another unit, maps one frame late. It
gives another flow. So the pictures decide: each frame is predicted from the one before by the flow
that follows from depth, cameras and object poses. If another reading of the same numbers predicts
them better, the numbers are in that convention.

A pixel without valid flow is predicted by its own value in the frame before, which is the identity
warp. So a reading gains nothing by explaining less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import Floats, inverse
from p4d.geometry.flow import DEPTH_TOLERANCE, View
from p4d.worlds.truth import TruthObject, flow_and_motion

STATED = "stated"
IDENTITY = "identity"
SHUFFLED = "shuffled"


class Geometry(Protocol):
    """Depth, cameras and rigid objects of a video, as `WorldTruth` has them."""

    @property
    def pts_ns(self) -> NDArray[np.int64]:
        """[T]."""

    @property
    def objects(self) -> tuple[TruthObject, ...]:
        """Those that move rigidly."""

    @property
    def world_T_obj_kt44(self) -> NDArray[np.float64]:
        """Their poses."""

    def views(self, frame_indices: Sequence[int], size_px: int, /) -> list[View]:
        """Depth, instances and cameras of frames, squashed to a square."""


@dataclass(frozen=True)
class Fit:
    """One reading of a truth over one clip.

    Attributes:
        reading: a key of `READINGS`, `identity` (nothing moves) or `shuffled` (flow of other
            frames of the clip).
        coverage: share of the pixels of known depth, after the first frame, with valid flow.
        error_levels: mean absolute error of the predicted frames, grey levels, `[T - 1]`.
    """

    reading: str
    coverage: float
    error_levels: NDArray[np.float64]


@dataclass(frozen=True)
class _Clip:
    """The numbers of a clip, read in some way."""

    truth: Geometry
    indices: tuple[int, ...]
    size_px: int
    views: tuple[View, ...]


def _along_ray(clip: _Clip) -> _Clip:
    """Depth is the distance from the camera centre."""

    def planar(view: View) -> View:
        height, width = view.z_depth_m_hw.shape
        u = (np.arange(width) + 0.5 - view.K[0, 2]) / view.K[0, 0]
        v = (np.arange(height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
        length_hw = np.sqrt(1 + u[None, :] ** 2 + v[:, None] ** 2)
        return replace(view, z_depth_m_hw=view.z_depth_m_hw / length_hw)

    return replace(clip, views=tuple(planar(view) for view in clip.views))


def _poses(change: Callable[[Floats], Floats]) -> Reading:
    def read(clip: _Clip) -> _Clip:
        views = [replace(view, world_T_cam=change(view.world_T_cam)) for view in clip.views]
        return replace(clip, views=tuple(views))

    return read


def _depth_times(factor: float) -> Reading:
    def read(clip: _Clip) -> _Clip:
        views = [replace(view, z_depth_m_hw=view.z_depth_m_hw * factor) for view in clip.views]
        return replace(clip, views=tuple(views))

    return read


def _maps_of(shift: int, *, instances: bool) -> Reading:
    """Depth, and with it the instances, belong to another frame of the video."""

    def read(clip: _Clip) -> _Clip:
        last = len(clip.truth.pts_ns) - 1
        indices = [min(max(index + shift, 0), last) for index in clip.indices]
        moved = _views(clip.truth, indices, clip.size_px)
        views = [
            replace(
                view,
                z_depth_m_hw=other.z_depth_m_hw,
                instance_hw=other.instance_hw if instances else view.instance_hw,
            )
            for view, other in zip(clip.views, moved, strict=True)
        ]
        return replace(clip, views=tuple(views))

    return read


Reading = Callable[[_Clip], _Clip]
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])

READINGS: Mapping[str, Reading] = {
    STATED: lambda clip: clip,
    "depth is the distance along the ray": _along_ray,
    "poses lead from the world to the camera": _poses(inverse),
    "cameras look along -z with y up (OpenGL)": _poses(lambda pose: pose @ _OPENGL),
    "depth is in millimetres": _depth_times(1e-3),
    "depth is one frame late": _maps_of(1, instances=False),
    "depth is one frame early": _maps_of(-1, instances=False),
    "maps are one frame late": _maps_of(1, instances=True),
}


def known_depth(views: Sequence[View]) -> float:
    """Share of the pixels after the first frame that have a depth."""
    return float(np.mean([view.z_depth_m_hw > 0 for view in views[1:]]))


def fits(
    truth: Geometry,
    frame_indices: Sequence[int],
    rgb_thw3: NDArray[np.uint8],
    *,
    depth_tolerance: float = DEPTH_TOLERANCE,
    coverable: Callable[[Sequence[View]], float] = known_depth,
) -> list[Fit]:
    """Fit all readings of a truth to the pictures of a clip.

    Args:
        truth: of the video.
        frame_indices: source frames of the clip, increasing.
        rgb_thw3: their pictures, square.
        depth_tolerance: see `p4d.geometry.flow.flow_between`.
        coverable: share of the pixels after the first frame that could have valid flow.
    """
    size_px = rgb_thw3.shape[1]
    indices = tuple(int(index) for index in frame_indices)
    clip = _Clip(truth, indices, size_px, _views(truth, indices, size_px))
    grey_thw = rgb_thw3.astype(np.float64).mean(axis=-1)
    stays = np.abs(np.diff(grey_thw, axis=0))
    found = [Fit(IDENTITY, 1.0, stays.mean(axis=(1, 2)))]
    poses = truth.world_T_obj_kt44[:, list(indices)]
    for name, read in READINGS.items():
        views = read(clip).views
        flow, valid, _ = flow_and_motion(views, poses, truth.objects, depth_tolerance)
        known = coverable(views)
        found.append(fit_of(name, flow, valid, grey_thw, known))
        if name == STATED:
            order = [0, *np.roll(np.arange(1, len(flow)), 1)]
            found.append(fit_of(SHUFFLED, flow[order], valid[order], grey_thw, known))
    return found


def _views(truth: Geometry, indices: Sequence[int], size_px: int) -> tuple[View, ...]:
    return tuple(truth.views(indices, size_px))


def fit_of(
    name: str,
    flow_px_thw2: NDArray[np.float32],
    valid_thw: NDArray[np.uint8],
    grey_thw: NDArray[np.float64],
    known: float,
) -> Fit:
    """How well backward flow predicts grey pictures; `known`: share that could have valid flow."""
    errors = []
    for t in range(1, len(grey_thw)):
        predicted = _sampled(grey_thw[t - 1], flow_px_thw2[t])
        predicted = np.where(valid_thw[t] > 0, predicted, grey_thw[t - 1])
        error_hw = np.abs(grey_thw[t] - predicted)
        errors.append(error_hw.mean())
    coverage = float(valid_thw[1:].mean()) / known if known else 0.0
    return Fit(name, min(1.0, coverage), np.array(errors))


def _sampled(picture_hw: NDArray[np.float64], flow_px_hw2: NDArray[np.float32]) -> NDArray:
    """A picture at the places that backward flow points to, bilinear."""
    height, width = picture_hw.shape
    y, x = np.mgrid[0:height, 0:width]
    x = np.clip(x + flow_px_hw2[..., 0], 0, width - 1)
    y = np.clip(y + flow_px_hw2[..., 1], 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = x - left, y - top
    upper = picture_hw[top, left] * (1 - fx) + picture_hw[top, right] * fx
    lower = picture_hw[bottom, left] * (1 - fx) + picture_hw[bottom, right] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)
