"""Exact truth of a video, and of the clips sampled from it.

Only what cannot be derived is stored: depth, instances, camera and object poses. Flow and motion
are computed between exactly the frames of a clip, so a clip that skips frames is as exact as one
that does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from p4d.errors import TruthError
from p4d.geometry.cameras import Floats, inverse, scale_intrinsics
from p4d.geometry.flow import (
    DEPTH_TOLERANCE,
    MOVING_THRESHOLD_M,
    View,
    flow_between,
    world_motion_m,
)

PTS_TOLERANCE_NS = 1_000
"""Largest difference of a frame's time from the sidecar: containers round times to ticks."""

FrameMaps = tuple[NDArray[np.float32], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class TruthObject:
    """One object of a video.

    Attributes:
        instance: its id in instance maps, 1 to 255.
        k: its row in `world_T_obj_kt44`.
        name: unique in the video, for example "red box".
        size_m: full extents along its own x, y, z.
        motion: static | translating | rotating | translating_rotating | ballistic.
    """

    instance: int
    k: int
    name: str
    shape: str
    colour: str
    size_m: tuple[float, float, float]
    motion: str


class FrameSource(Protocol):
    """Depth and instance maps by source frame index, decoded when they are read."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int, /) -> FrameMaps:
        """(z_depth_m [H, W] f32, instance [H, W] u8) of a frame."""


@dataclass(frozen=True, kw_only=True)
class ClipTruth:
    """Exact truth at the frames of a clip; names and types are those of clips/truth.safetensors.

    T frames, S x S pixels, K objects. `flow_px_thw2` points to the previous frame of the CLIP.
    """

    z_depth_m_thw: NDArray[np.float32]
    valid_thw: NDArray[np.uint8]
    instance_thw: NDArray[np.uint8]
    flow_px_thw2: NDArray[np.float32]
    flow_valid_thw: NDArray[np.uint8]
    moving_thw: NDArray[np.uint8]
    world_T_cam_t44: NDArray[np.float64]
    K_t33: NDArray[np.float64]
    world_T_obj_kt44: NDArray[np.float64]
    objects: tuple[TruthObject, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, without the objects table."""
        return {name: value for name, value in vars(self).items() if name != "objects"}

    def object_rows(self, clip_id: str) -> Iterator[dict[str, Any]]:
        """Rows of clips/objects.parquet."""
        for obj in self.objects:
            yield {
                "clip_id": clip_id,
                "instance": obj.instance,
                "k": obj.k,
                "name": obj.name,
                "shape": obj.shape,
                "colour": obj.colour,
                "size_x_m": obj.size_m[0],
                "size_y_m": obj.size_m[1],
                "size_z_m": obj.size_m[2],
                "motion": obj.motion,
            }


@dataclass(frozen=True, kw_only=True)
class WorldTruth:
    """Exact truth of every frame of a source video.

    Attributes:
        pts_ns: presentation time per frame, increasing.
        width_px, height_px: native size of the maps, equal to the video's.
        K_t33: intrinsics at native size.
        frames: depth and instance maps per frame.
    """

    pts_ns: NDArray[np.int64]
    width_px: int
    height_px: int
    K_t33: NDArray[np.float64]
    world_T_cam_t44: NDArray[np.float64]
    world_T_obj_kt44: NDArray[np.float64]
    objects: tuple[TruthObject, ...]
    frames: FrameSource

    def resample(self, frame_indices: Sequence[int], size_px: int) -> ClipTruth:
        """Truth between the chosen frames, squashed to `size_px` x `size_px`.

        Maps are sampled at the native pixel whose centre is nearest to the new pixel's. Where the
        ratio is an odd integer the centres coincide (192 = 3 x 64) and truth stays exact. For
        other ratios a sample is off by up to half a native pixel in each axis: depth, ids and the
        start of a flow vector then belong to that neighbouring point.

        Raises:
            TruthError: an index is outside the video, or the indices do not increase.
        """
        indices = [int(index) for index in frame_indices]
        if not indices or indices[0] < 0 or indices[-1] >= len(self.pts_ns):
            raise TruthError(f"frames {indices} are not all in a video of {len(self.pts_ns)}")
        if any(b <= a for a, b in itertools.pairwise(indices)):
            raise TruthError(f"frames of a clip must increase, got {indices}")
        poses, objects = self.world_T_cam_t44[indices], self.world_T_obj_kt44[:, indices]
        views = self.views(indices, size_px)
        K_t33 = np.stack([view.K for view in views]).astype(np.float64)
        flow, flow_valid, moving = flow_and_motion(views, objects, self.objects)
        z_depth_m = np.stack([view.z_depth_m_hw for view in views])
        return ClipTruth(
            z_depth_m_thw=z_depth_m.astype(np.float32),
            valid_thw=(np.isfinite(z_depth_m) & (z_depth_m > 0)).astype(np.uint8),
            instance_thw=np.stack([view.instance_hw for view in views]).astype(np.uint8),
            flow_px_thw2=flow,
            flow_valid_thw=flow_valid,
            moving_thw=moving,
            world_T_cam_t44=poses.astype(np.float64),
            K_t33=K_t33,
            world_T_obj_kt44=objects.astype(np.float64),
            objects=self.objects,
        )

    def views(self, frame_indices: Sequence[int], size_px: int) -> list[View]:
        """Depth, instances and cameras of frames, squashed to `size_px`; see `resample`."""
        indices = list(frame_indices)
        rows = nearest_centres(self.height_px, size_px)
        columns = nearest_centres(self.width_px, size_px)
        K_t33 = scale_intrinsics(
            self.K_t33[indices], size_px / self.width_px, size_px / self.height_px
        )
        views = []
        for t, index in enumerate(indices):
            z_m, instance = self.frames[index]
            views.append(
                View(
                    z_depth_m_hw=z_m[rows][:, columns],
                    instance_hw=instance[rows][:, columns],
                    K=K_t33[t],
                    world_T_cam=self.world_T_cam_t44[index],
                )
            )
        return views


def flow_and_motion(
    views: Sequence[View],
    world_T_obj_kt44: Floats,
    objects: Sequence[TruthObject],
    depth_tolerance: float = DEPTH_TOLERANCE,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Backward flow [T, H, W, 2], its validity and the moving mask [T, H, W] of a sequence."""
    inverses = inverse(world_T_obj_kt44) if len(objects) else world_T_obj_kt44

    def moves(start: int, end: int) -> dict[int, Floats]:
        return {
            obj.instance: world_T_obj_kt44[obj.k, end] @ inverses[obj.k, start] for obj in objects
        }

    shape = views[0].z_depth_m_hw.shape
    flows = [np.zeros((*shape, 2), np.float32)]
    valids = [np.zeros(shape, bool)]
    movings = []
    for t, view in enumerate(views):
        if t > 0:
            flow, valid = flow_between(view, views[t - 1], moves(t, t - 1), depth_tolerance)
            flows.append(flow)
            valids.append(valid)
        neighbour = t - 1 if t > 0 else min(1, len(views) - 1)
        movings.append(world_motion_m(view, moves(t, neighbour)) >= MOVING_THRESHOLD_M)
    return (
        np.stack(flows),
        np.stack(valids).astype(np.uint8),
        np.stack(movings).astype(np.uint8),
    )


class Timed(Protocol):
    """What every truth has: times and size of its video."""

    @property
    def pts_ns(self) -> NDArray[np.int64]:
        """[T]."""

    @property
    def width_px(self) -> int:
        """Of the video."""

    @property
    def height_px(self) -> int:
        """Of the video."""


def check_against(
    truth: Timed, pts_ns: Sequence[int] | NDArray[np.int64], width_px: int, height_px: int
) -> None:
    """Check that a truth belongs to a video.

    Raises:
        TruthError: frame count, size or a presentation time differs; both sides are named.
    """
    if (truth.width_px, truth.height_px) != (width_px, height_px):
        raise TruthError(
            f"truth is {truth.width_px}x{truth.height_px} px, the video {width_px}x{height_px} px"
        )
    if len(truth.pts_ns) != len(pts_ns):
        raise TruthError(f"truth has {len(truth.pts_ns)} frames, the video {len(pts_ns)}")
    difference_ns = np.abs(truth.pts_ns - np.asarray(pts_ns, np.int64))
    if difference_ns.size and difference_ns.max() > PTS_TOLERANCE_NS:
        frame = int(np.argmax(difference_ns > PTS_TOLERANCE_NS))
        raise TruthError(
            f"frame {frame} is at {int(truth.pts_ns[frame])} ns in the truth "
            f"and at {int(pts_ns[frame])} ns in the video"
        )


def nearest_centres(native: int, size: int) -> NDArray[np.int64]:
    """For each of `size` new pixels the native one whose centre is nearest to its centre."""
    return np.floor((np.arange(size) + 0.5) * native / size).astype(np.int64)
