"""Truth of a video in parts: what a dataset knows, and for which frames.

`PartialTruth` is what a reader of a dataset fills and `p4d.truth.write` writes. Every part may be
absent, and every part that is there may lack frames. Conventions: p4d/geometry/CONVENTIONS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Scale = Literal["metric", "relative"]
Up = Literal["z", "unknown"]
Times = Literal["measured", "declared"]
Background = Literal["still", "unknown"]

PARTS = (
    "intrinsics", "camera_poses", "depth", "instances", "object_poses", "object_sizes", "flow",
)  # fmt: skip
"""What a truth may have, by the names that errors, tables and pages use."""


class DepthMaps(Protocol):
    """Planar depth by source frame; decoded when it is read."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int, /) -> NDArray[np.float32] | None:
        """[H, W] f32, 0 where unknown; None for a frame without depth."""


class InstanceMaps(Protocol):
    """Object ids by source frame."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8] | None:
        """[H, W] u8, 0 is background; None for a frame that nobody annotated."""


StoredFlow = tuple[NDArray[np.float32], NDArray[np.bool_]]


class FlowMaps(Protocol):
    """Backward flow by source frame."""

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, index: int, /) -> StoredFlow | None:
        """Flow [H, W, 2] f32 to the frame before, and where it is known [H, W] bool; or None."""


@dataclass(frozen=True, kw_only=True)
class Poses:
    """Rigid poses, each of which may be unknown.

    Attributes:
        matrix: f64 [..., 4, 4]; the identity where a pose is unknown.
        valid: bool [...].
    """

    matrix: NDArray[np.float64]
    valid: NDArray[np.bool_]

    @classmethod
    def of(cls, poses: Sequence[NDArray[np.floating] | None]) -> Poses:
        """Poses of frames in order; None for a frame whose pose is unknown."""
        known = [np.eye(4) if pose is None else np.asarray(pose, np.float64) for pose in poses]
        return cls(
            matrix=np.stack(known) if known else np.zeros((0, 4, 4)),
            valid=np.array([pose is not None for pose in poses], bool),
        )

    @classmethod
    def of_objects(cls, poses: Sequence[Sequence[NDArray[np.floating] | None]]) -> Poses:
        """Poses [k, frame] of objects, in the order of the objects table."""
        each = [cls.of(one) for one in poses]
        return cls(
            matrix=np.stack([one.matrix for one in each]),
            valid=np.stack([one.valid for one in each]),
        )

    def at(self, index: Sequence[int]) -> Poses:
        """The poses of some frames; frames are the last axis of `valid`."""
        chosen = list(index)
        return Poses(matrix=self.matrix[..., chosen, :, :], valid=self.valid[..., chosen])


@dataclass(frozen=True, kw_only=True)
class SeenObject:
    """One object of a video; its row in `object_poses` is its place in the table.

    Attributes:
        instance: its id in instance maps, 1 to 255.
        name: for example "person"; empty if unknown. Several objects may have one name.
        size_m: full extents along its own x, y, z, in the unit of the scale; None if unknown.
        motion: `static` states that it never moves; any other word states nothing.
        shape, colour: empty if unknown.
    """

    instance: int
    name: str = ""
    size_m: tuple[float, float, float] | None = None
    motion: str = "unknown"
    shape: str = ""
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class PartialTruth:
    """What is known of a video. Absent parts are None, and teachers give them, or nobody.

    Attributes:
        pts_ns: i64 [T], presentation time of every frame of the video, increasing.
        width_px, height_px: of the video and of all maps.
        scale: whether depth, positions and sizes are in metres, or in an unknown unit.
        up: `z` if world +z points up; unknown: nothing is asked that needs to know what is up.
        times: declared if the frame rate is a convention (a folder of pictures without times);
            then nothing is asked in seconds.
        background: `still` states that everything outside of the objects stands still in the world.
            Flow and motion follow from depth and poses only where it is known what moves.
        depth_sigma_ratio: relative error of a depth, one sigma; 0 for rendered depth.
        pose_sigma_m: error of a camera position, one sigma, in the unit of the scale.
        K_t33: f64 [T, 3, 3] or [3, 3] for all frames; pixel centres at i + 0.5.
        camera: `world_T_cam`, [T]; OpenCV axes.
        depth: planar z per frame.
        instances: object ids per frame; every id is in `objects`.
        objects: the table; sizes are a part of their own.
        object_poses: `world_T_obj`, [K, T].
        flow: backward, from each frame of the video to the one before, pixels of the video.
    """

    pts_ns: NDArray[np.int64]
    width_px: int
    height_px: int
    scale: Scale = "metric"
    up: Up = "unknown"
    times: Times = "measured"
    background: Background = "unknown"
    depth_sigma_ratio: float = 0.0
    pose_sigma_m: float = 0.0
    K_t33: NDArray[np.float64] | None = None
    camera: Poses | None = None
    depth: DepthMaps | None = None
    instances: InstanceMaps | None = None
    objects: tuple[SeenObject, ...] = ()
    object_poses: Poses | None = None
    flow: FlowMaps | None = None

    @property
    def gives(self) -> tuple[str, ...]:
        """The parts that are there, in the order of `PARTS`."""
        there: Mapping[str, bool] = {
            "intrinsics": self.K_t33 is not None,
            "camera_poses": self.camera is not None and bool(self.camera.valid.any()),
            "depth": self.depth is not None,
            "instances": self.instances is not None,
            "object_poses": self.object_poses is not None and bool(self.object_poses.valid.any()),
            "object_sizes": any(item.size_m is not None for item in self.objects),
            "flow": self.flow is not None,
        }
        return tuple(part for part in PARTS if there[part])
