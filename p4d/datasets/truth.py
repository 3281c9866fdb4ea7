"""The truth of a capture as a truth sidecar: objects renumbered, unknown parts left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from p4d.datasets.capture import Capture, CapturedObject
from p4d.datasets.survey import Survey, read_checked
from p4d.geometry.flow import MOVING_THRESHOLD_M
from p4d.worlds.truth import FrameMaps, TruthObject, WorldTruth

MAX_OBJECTS = 255
MOVING_RAD = 0.02


def truth_of(capture: Capture, survey: Survey) -> WorldTruth | None:
    """The truth of the frames of a survey, or None if a part of it is missing."""
    objects = kept_objects(capture, survey)
    if capture.K_t33 is None or capture.world_T_cam_t44 is None:
        return None
    known = capture.pose_valid_t
    whole = (
        capture.scale == "metric"
        and capture.up_known
        and survey.in_every_frame("z_depth_hw")
        and survey.in_every_frame("instance_hw")
        and (known is None or bool(known[survey.frames].all()))
        and all(_is_whole(obj, survey.frames) for obj in objects)
    )
    if not whole:
        return None
    frames = survey.frames
    poses = [obj.world_T_obj_t44[frames] for obj in objects if obj.world_T_obj_t44 is not None]
    return WorldTruth(
        pts_ns=np.array(survey.pts_ns, np.int64),
        width_px=capture.size_px[0],
        height_px=capture.size_px[1],
        K_t33=capture.K_t33[frames],
        world_T_cam_t44=capture.world_T_cam_t44[frames],
        world_T_obj_kt44=np.stack(poses) if poses else np.zeros((0, len(frames), 4, 4)),
        objects=tuple(
            TruthObject(
                instance=k + 1,
                k=k,
                name=obj.name,
                shape=obj.category or "object",
                colour="",
                size_m=obj.size_m or (0.0, 0.0, 0.0),
                motion=motion_of(poses[k]),
            )
            for k, obj in enumerate(objects)
        ),
        frames=_Maps(capture, frames, {obj.id: k + 1 for k, obj in enumerate(objects)}),
    )


def kept_objects(capture: Capture, survey: Survey) -> tuple[CapturedObject, ...]:
    """The objects that instance maps of 8 bits have room for: the largest, in their own order."""
    largest = sorted(capture.objects, key=lambda obj: (-survey.pixels[obj.id], obj.id))
    kept = {obj.id for obj in largest[:MAX_OBJECTS]}
    if left := [obj for obj in largest[MAX_OBJECTS:] if survey.pixels[obj.id]]:
        survey.problems.append(
            f"{len(left)} objects beyond the {MAX_OBJECTS} largest are background"
        )
    return tuple(obj for obj in capture.objects if obj.id in kept)


def motion_of(world_T_obj_t44: NDArray[np.float64]) -> str:
    """How an object moves over a sequence: static, translating, rotating, or both."""
    moved = np.linalg.norm(world_T_obj_t44[:, :3, 3] - world_T_obj_t44[0, :3, 3], axis=-1)
    turned = Rotation.from_matrix(
        world_T_obj_t44[:, :3, :3] @ world_T_obj_t44[0, :3, :3].T
    ).magnitude()
    parts = []
    if moved.max() >= MOVING_THRESHOLD_M:
        parts.append("translating")
    if turned.max() >= MOVING_RAD:
        parts.append("rotating")
    return "_".join(parts) or "static"


def _is_whole(obj: CapturedObject, frames: Sequence[int]) -> bool:
    known = obj.pose_valid_t
    return (
        obj.size_m is not None
        and obj.world_T_obj_t44 is not None
        and (known is None or bool(known[frames].all()))
    )


@dataclass(frozen=True)
class _Maps(Sequence[FrameMaps]):
    """Depth and renumbered instances of the frames of a survey."""

    capture: Capture
    frames: Sequence[int]
    number_of: dict[int, int]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> FrameMaps:  # type: ignore[override]
        frame = read_checked(self.capture, self.frames[index])
        assert frame.z_depth_hw is not None
        assert frame.instance_hw is not None
        return frame.z_depth_hw, renumbered(frame.instance_hw, self.number_of)


def renumbered(instance_hw: NDArray[np.int32], number_of: dict[int, int]) -> NDArray[np.uint8]:
    """Instances by their number in the objects table; ids without one become background."""
    ids, inverse = np.unique(instance_hw, return_inverse=True)
    numbers = np.array([number_of.get(int(each), 0) for each in ids], np.uint8)
    return numbers[inverse].reshape(instance_hw.shape)
