"""What a reader makes of one sequence of a dataset: pictures, their times, and what is true.

Everything is in the conventions of p4d/geometry/CONVENTIONS.md, whatever the dataset has: pixel
centres at i + 0.5, OpenCV camera axes, planar depth, backward flow. Each part of the truth is
optional by itself. A frame is read when it is asked for, so a sequence may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Under which terms the pictures of a dataset may be used.

    Attributes:
        terms_id: short name, as an SPDX id where there is one.
        text: one sentence for the card.
        url: where the owner states them.
        redistributable: whether a copy of the pictures may be given to others.
    """

    terms_id: str
    text: str
    url: str
    redistributable: bool


@dataclass(frozen=True, kw_only=True)
class CapturedObject:
    """One object of a sequence.

    Attributes:
        id: its value in the instance maps of the frames, positive; any size.
        name: what it is; several objects may share one, and unknown is empty. A name that repeats
            names none of them.
        category: what the dataset calls its class; empty if it has none.
        size_m: full extents along its own x, y, z; None if unknown.
        world_T_obj_t44: its pose per frame, in the units of the depth; None if unknown. The origin
            is the centre of its box.
        pose_valid_t: where the pose is known; None: everywhere.
        static: the dataset states that it never moves; then it needs no poses.
    """

    id: int
    name: str
    category: str = ""
    size_m: tuple[float, float, float] | None = None
    world_T_obj_t44: NDArray[np.float64] | None = None
    pose_valid_t: NDArray[np.bool_] | None = None
    static: bool = False


@dataclass(frozen=True, kw_only=True)
class CapturedFrame:
    """One frame. A part that the dataset does not have, or has lost, is None.

    Attributes:
        rgb_hw3: the picture, u8.
        z_depth_hw: planar depth, f32, in metres or the units of the scene; 0 where unknown.
        instance_hw: ids of `CapturedObject`, i32; 0 is background, or not labelled.
        flow_px_hw2: backward flow, (du, dv): position in the previous frame minus position here.
        flow_valid_hw: where the flow is known.
        problems: what of this frame could not be read, one line each, with the file's name.
    """

    rgb_hw3: NDArray[np.uint8]
    z_depth_hw: NDArray[np.float32] | None = None
    instance_hw: NDArray[np.int32] | None = None
    flow_px_hw2: NDArray[np.float32] | None = None
    flow_valid_hw: NDArray[np.bool_] | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Capture:
    """One sequence of a dataset.

    Attributes:
        dataset: the format's name in the registry.
        sequence: the sequence's name in its folder.
        source: where it comes from, one line for the card.
        terms: of the pictures.
        times_ns: the dataset's own stamp of each frame, increasing, of any origin.
        times: `measured` if the dataset has the stamps, `declared` if a rate is assumed.
        size_px: width and height of every picture.
        frame: reads a frame by its index; raises DatasetError if its picture cannot be read.
        K_t33: intrinsics per frame; None if unknown.
        world_T_cam_t44: pose of the camera per frame; None if unknown.
        pose_valid_t: where the pose is known; None: everywhere. Unknown rows may hold anything.
        objects: of the instance maps; empty if there are none.
        scale: of depth and poses.
        up_known: whether the world's z axis points up.
        background: `still` if all outside of the objects stands still in the world.
        depth_sigma_ratio: relative error of a depth, one sigma; 0 for rendered depth.
        pose_sigma_m: error of a camera position, one sigma.
        exchange_group: sequences that show the same recording (Sintel's two passes) share one; it
            never crosses a split.
        notes: what the reader did that a user of the data should know, for the card.
        problems: what could not be read or was left out, one line each, with file and line.
    """

    dataset: str
    sequence: str
    source: str
    terms: Terms
    times_ns: NDArray[np.int64]
    times: Literal["measured", "declared"]
    size_px: tuple[int, int]
    frame: Callable[[int], CapturedFrame]
    K_t33: NDArray[np.float64] | None = None
    world_T_cam_t44: NDArray[np.float64] | None = None
    pose_valid_t: NDArray[np.bool_] | None = None
    objects: tuple[CapturedObject, ...] = ()
    scale: Literal["metric", "relative"] = "metric"
    up_known: bool = False
    background: Literal["still", "unknown"] = "unknown"
    depth_sigma_ratio: float = 0.0
    pose_sigma_m: float = 0.0
    exchange_group: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.times_ns)
