"""The truth of a capture in parts, as its sidecar holds it: of the frames that are in the video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject
from p4d.datasets.survey import Survey, read_checked
from p4d.geometry.flow import MOVING_THRESHOLD_M
from p4d.truth import PartialTruth, Poses, SeenObject, apply_table
from p4d.truth.checks import MAX_INSTANCE
from p4d.truth.parts import StoredFlow

MOVING_RAD = 0.02
"""Least turn of an object over a sequence that counts as a rotation."""


def truth_of(capture: Capture, survey: Survey) -> PartialTruth | None:
    """What is known of the frames of a survey, or None if that is nothing."""
    frames = survey.frames
    source = _Frames(capture, frames)
    objects = kept_objects(capture, survey)
    table = {obj.id: k + 1 for k, obj in enumerate(objects)}
    with_instances = bool(survey.present["instance_hw"])
    K_t33, world_T_cam_t44 = capture.K_t33, capture.world_T_cam_t44
    camera = None
    if world_T_cam_t44 is not None:
        camera = _poses(world_T_cam_t44, capture.pose_valid_t, frames)
    truth = PartialTruth(
        pts_ns=np.array(survey.pts_ns, np.int64),
        width_px=capture.size_px[0],
        height_px=capture.size_px[1],
        scale=capture.scale,
        up="z" if capture.up_known else "unknown",
        times=capture.times,
        background=capture.background,
        depth_sigma_ratio=capture.depth_sigma_ratio,
        pose_sigma_m=capture.pose_sigma_m,
        K_t33=None if K_t33 is None else K_t33[frames],
        camera=camera if camera is not None and camera.valid.any() else None,
        depth=_Depth(source) if survey.present["z_depth_hw"] else None,
        instances=_Instances(source, table) if with_instances else None,
        objects=tuple(_seen(obj, table[obj.id], frames) for obj in objects),
        object_poses=_object_poses(objects, frames),
        flow=_Flow(source) if survey.present["flow_px_hw2"] else None,
    )
    return truth if truth.gives else None


def kept_objects(capture: Capture, survey: Survey) -> tuple[CapturedObject, ...]:
    """The objects that instance maps of 8 bits have room for: the largest, in their own order."""
    largest = sorted(capture.objects, key=lambda obj: (-survey.pixels[obj.id], obj.id))
    kept = {obj.id for obj in largest[:MAX_INSTANCE]}
    if left := [obj for obj in largest[MAX_INSTANCE:] if survey.pixels[obj.id]]:
        survey.problems.append(
            f"{len(left)} objects beyond the {MAX_INSTANCE} largest are background"
        )
    return tuple(obj for obj in capture.objects if obj.id in kept)


def motion_of(world_T_obj_t44: NDArray[np.float64]) -> str:
    """How an object moves over a sequence: static, translating, rotating, or both."""
    first = world_T_obj_t44[0]
    moved = np.linalg.norm(world_T_obj_t44[:, :3, 3] - first[:3, 3], axis=-1)
    turned = Rotation.from_matrix(world_T_obj_t44[:, :3, :3] @ first[:3, :3].T).magnitude()
    parts = []
    if moved.max() >= MOVING_THRESHOLD_M:
        parts.append("translating")
    if turned.max() >= MOVING_RAD:
        parts.append("rotating")
    return "_".join(parts) or "static"


def _seen(obj: CapturedObject, instance: int, frames: Sequence[int]) -> SeenObject:
    motion = "static" if obj.static else "unknown"
    whole = obj.pose_valid_t is None or bool(obj.pose_valid_t[frames].all())
    if obj.world_T_obj_t44 is not None and whole:
        motion = motion_of(obj.world_T_obj_t44[frames])
    return SeenObject(
        instance=instance, name=obj.name, size_m=obj.size_m, motion=motion, shape=obj.category
    )


def _poses(
    matrices: NDArray[np.float64], valid: NDArray[np.bool_] | None, frames: Sequence[int]
) -> Poses:
    known = np.ones(len(matrices), bool) if valid is None else valid
    chosen = matrices[frames].copy()
    chosen[~known[frames]] = np.eye(4)
    return Poses(matrix=chosen, valid=known[frames])


def _object_poses(objects: Sequence[CapturedObject], frames: Sequence[int]) -> Poses | None:
    if not any(obj.world_T_obj_t44 is not None for obj in objects):
        return None
    unknown = Poses.of([None] * len(frames))
    each = [
        unknown
        if obj.world_T_obj_t44 is None
        else _poses(obj.world_T_obj_t44, obj.pose_valid_t, frames)
        for obj in objects
    ]
    return Poses(
        matrix=np.stack([one.matrix for one in each]), valid=np.stack([one.valid for one in each])
    )


class _Frames:
    """Frames of the video by their position; the last one is kept, as it has several maps."""

    def __init__(self, capture: Capture, frames: Sequence[int]) -> None:
        self.frames = frames
        self._capture = capture
        self._last: tuple[int, CapturedFrame] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, index: int) -> CapturedFrame:
        if self._last is None or self._last[0] != index:
            self._last = (index, read_checked(self._capture, self.frames[index]))
        return self._last[1]


@dataclass(frozen=True)
class _Depth:
    frames: _Frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> NDArray[np.float32] | None:
        return self.frames.read(index).z_depth_hw


@dataclass(frozen=True)
class _Instances:
    frames: _Frames
    table: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> NDArray[np.uint8] | None:
        ids_hw = self.frames.read(index).instance_hw
        return None if ids_hw is None else apply_table(ids_hw, self.table)


@dataclass(frozen=True)
class _Flow:
    """Flow goes to the frame before in the dataset, so that one must be in the video."""

    frames: _Frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> StoredFlow | None:
        number = self.frames.frames
        if index == 0 or number[index - 1] != number[index] - 1:
            return None
        frame = self.frames.read(index)
        if frame.flow_px_hw2 is None:
            return None
        known = frame.flow_valid_hw
        if known is None:
            known = np.ones(frame.flow_px_hw2.shape[:2], bool)
        return np.where(known[..., None], frame.flow_px_hw2, 0).astype(np.float32), known
