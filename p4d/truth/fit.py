"""How well a truth in parts explains the pictures of its video; see p4d/worlds/fit.py.

Depth and cameras are fitted as those of simulated worlds are, in clips where every frame has both.
What is not known to move is taken to stand still, in every reading alike. Stored flow has readings
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.geometry.cameras import project, unproject
from p4d.geometry.flow import View
from p4d.truth.parts import PartialTruth
from p4d.truth.resampling import depth_tolerance, resample
from p4d.worlds.fit import IDENTITY, Fit, fit_of, fits
from p4d.worlds.truth import TruthObject, WorldTruth, nearest_centres

STORED = "stored flow"
"""Readings of stored flow begin with this."""

FlowReading = Callable[[NDArray[np.float32], NDArray[np.uint8]], tuple[NDArray, NDArray]]

FLOW_READINGS: Mapping[str, FlowReading] = {
    STORED: lambda flow, valid: (flow, valid),
    f"{STORED} leads to the next frame": lambda flow, valid: (-flow, valid),
    f"{STORED} is (row, column)": lambda flow, valid: (flow[..., ::-1], valid),
    f"{STORED} is one frame late": lambda flow, valid: (_shifted(flow, -1), _shifted(valid, -1)),
    f"{STORED} is one frame early": lambda flow, valid: (_shifted(flow, 1), _shifted(valid, 1)),
}


def fits_of(
    truth: WorldTruth | PartialTruth, frame_indices: Sequence[int], rgb_thw3: NDArray[np.uint8]
) -> list[Fit]:
    """Fit all readings of a truth to the pictures of a clip: of what it has.

    Args:
        truth: of the video.
        frame_indices: source frames of the clip, increasing.
        rgb_thw3: their pictures, square.
    """
    if isinstance(truth, WorldTruth):
        return fits(truth, frame_indices, rgb_thw3)
    indices = [int(index) for index in frame_indices]
    found: list[Fit] = []
    if _complete(truth, indices):
        found += fits(
            _Rigid.of(truth),
            indices,
            rgb_thw3,
            depth_tolerance=depth_tolerance(truth),
            coverable=_landing_on_depth,
        )
    if truth.flow is not None:
        found += _flow_fits(truth, indices, rgb_thw3)
    return found


def _complete(truth: PartialTruth, indices: Sequence[int]) -> bool:
    """Whether every frame has depth, intrinsics and a pose."""
    if truth.camera is None or truth.K_t33 is None or truth.depth is None:
        return False
    poses = bool(truth.camera.valid[list(indices)].all())
    return poses and all(truth.depth[index] is not None for index in indices)


@dataclass(frozen=True)
class _Rigid:
    """A truth in parts as a rigid scene: what is not known to move stands still."""

    truth: PartialTruth
    objects: tuple[TruthObject, ...]
    world_T_obj_kt44: NDArray[np.float64]

    @classmethod
    def of(cls, truth: PartialTruth) -> _Rigid:
        posed: tuple[TruthObject, ...] = ()
        poses = np.zeros((0, len(truth.pts_ns), 4, 4))
        if truth.object_poses is not None:
            kept = [k for k, valid_t in enumerate(truth.object_poses.valid) if valid_t.all()]
            poses = truth.object_poses.matrix[kept]
            posed = tuple(
                TruthObject(
                    instance=item.instance, k=row, name=item.name, shape="", colour="",
                    size_m=(0.0, 0.0, 0.0), motion=item.motion,
                )
                for row, item in enumerate(truth.objects[k] for k in kept)
            )  # fmt: skip
        return cls(truth, posed, poses)

    @property
    def pts_ns(self) -> NDArray[np.int64]:
        return self.truth.pts_ns

    def views(self, frame_indices: Sequence[int], size_px: int, /) -> list[View]:
        truth, rows, columns = (
            self.truth,
            *(
                nearest_centres(side, size_px)
                for side in (self.truth.height_px, self.truth.width_px)
            ),
        )
        assert truth.camera is not None and truth.K_t33 is not None and truth.depth is not None
        scale = np.array([size_px / truth.width_px, size_px / truth.height_px, 1.0])[:, None]
        posed = {item.instance for item in self.objects}
        views = []
        for index in frame_indices:
            z_hw = truth.depth[index]
            # Only objects with poses matter: the others stand still like the background.
            ids_hw = truth.instances[index] if truth.instances is not None and posed else None
            nothing = np.zeros((truth.height_px, truth.width_px), np.uint8)
            ids_hw = (
                nothing if ids_hw is None else np.where(np.isin(ids_hw, list(posed)), ids_hw, 0)
            )
            views.append(
                View(
                    z_depth_m_hw=np.asarray(nothing if z_hw is None else z_hw, np.float32)[rows][
                        :, columns
                    ],
                    instance_hw=ids_hw[rows][:, columns],
                    K=truth.K_t33[index] * scale,
                    world_T_cam=truth.camera.matrix[index],
                )
            )
        return views


def _landing_on_depth(views: Sequence[View]) -> float:
    """Share of the pixels that a still world carries to a pixel of known depth in the frame before.

    Depth of sensors has holes, and that of a laser scanner is mostly holes.
    """
    shares = []
    for view, other in zip(views[1:], views[:-1], strict=True):
        height, width = view.z_depth_m_hw.shape
        points = unproject(view.z_depth_m_hw, view.K, view.world_T_cam)
        uv_px, z = project(points, other.K, other.world_T_cam)
        inside = (view.z_depth_m_hw > 0) & (z > 0)
        u, v = np.where(inside[..., None], uv_px, -1).transpose(2, 0, 1)
        inside &= (u >= 0) & (u < width) & (v >= 0) & (v < height)
        column, row = np.clip(u, 0, width - 1).astype(int), np.clip(v, 0, height - 1).astype(int)
        shares.append(float((inside & (other.z_depth_m_hw[row, column] > 0)).mean()))
    return float(np.mean(shares))


def _flow_fits(
    truth: PartialTruth, indices: Sequence[int], rgb_thw3: NDArray[np.uint8]
) -> list[Fit]:
    clip = resample(truth, indices, rgb_thw3.shape[1])
    flow, valid = clip.flow_px_thw2, clip.flow_valid_thw
    if flow is None or valid is None:
        return []
    grey_thw = rgb_thw3.astype(np.float64).mean(axis=-1)
    found = [
        fit_of(name, *read(flow, valid), grey_thw, float(valid[1:].mean()))
        for name, read in FLOW_READINGS.items()
    ]
    still = np.zeros_like(flow), valid
    return [*found, fit_of(f"{STORED}: {IDENTITY}", *still, grey_thw, 1.0)]


def _shifted(values_t: NDArray, by: int) -> NDArray:
    """Values of a neighbouring frame of the clip; the first frame has no flow and keeps none."""
    order = np.clip(np.arange(len(values_t)) - by, 1, len(values_t) - 1)
    return np.concatenate([values_t[:1], values_t[order[1:]]])
