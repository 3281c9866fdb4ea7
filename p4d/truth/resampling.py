"""The truth of a clip, from the truth of its video: what is there, and what follows from it.

Flow follows from depth, intrinsics and poses wherever it is known what moves: the background where
it stands still, objects that are static, objects with poses. Stored flow is taken instead, if there
is any. Motion is given only if it is known for every pixel.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
from p4d.truth.clip_parts import CLIP_PARTS, ClipParts
from p4d.truth.clip_truth import PartialClipTruth
from p4d.truth.flow_chain import chained_flow
from p4d.truth.parts import PartialTruth
from p4d.truth.sparse_depth import gathered, is_sparse
from p4d.worlds.truth import nearest_centres

STATIC = "static"


@dataclass(frozen=True)
class _Clip:
    """The frames of a clip, squashed to a square."""

    truth: PartialTruth
    indices: tuple[int, ...]
    size_px: int

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        return nearest_centres(self.truth.height_px, self.size_px)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        return nearest_centres(self.truth.width_px, self.size_px)

    @cached_property
    def K_t33(self) -> NDArray[np.float64] | None:
        if self.truth.K_t33 is None:
            return None
        return scale_intrinsics(
            self.truth.K_t33[list(self.indices)],
            self.size_px / self.truth.width_px,
            self.size_px / self.truth.height_px,
        )

    @cached_property
    def depth(self) -> list[NDArray[np.float32] | None]:
        maps = self.truth.depth
        return [
            None if maps is None else self._squashed_depth(maps[index], t)
            for t, index in enumerate(self.indices)
        ]

    @cached_property
    def instances(self) -> list[NDArray[np.uint8] | None]:
        maps = self.truth.instances
        return [None if maps is None else self._squashed(maps[index]) for index in self.indices]

    def _squashed_depth(self, z_hw: NDArray | None, t: int) -> NDArray | None:
        if z_hw is None or not is_sparse(z_hw):
            return self._squashed(z_hw)
        maps = self.truth.instances
        ids_hw = None if maps is None else maps[self.indices[t]]
        return gathered(z_hw, ids_hw, self.rows, self.columns)

    def _squashed(self, values: NDArray | None) -> NDArray | None:
        return None if values is None else values[self.rows][:, self.columns]

    @cached_property
    def still(self) -> bool:
        """Whether nothing moves in the world but the camera."""
        return self.truth.background == "still" and all(
            item.motion == STATIC for item in self.truth.objects
        )

    def members(self, t: int) -> NDArray[np.uint8] | None:
        """Instances of a frame; none are needed if nothing moves."""
        found = self.instances[t]
        if found is None and self.still:
            return np.zeros((self.size_px, self.size_px), np.uint8)
        return found

    def moves(self, start: int, end: int) -> dict[int, Floats]:
        """World motion of the objects whose motion between two frames is known."""
        known: dict[int, Floats] = {}
        poses, table = self.truth.object_poses, self.truth.objects
        for k, item in enumerate(table):
            if item.motion == STATIC:
                known[item.instance] = np.eye(4)
            elif poses is not None:
                frames = [self.indices[start], self.indices[end]]
                if poses.valid[k, frames].all():
                    first, last = poses.matrix[k, frames]
                    known[item.instance] = last @ inverse(first)
        if self.truth.background == "still":
            known[0] = np.eye(4)
        return known

    def view(self, t: int) -> View | None:
        """What flow of a frame needs, or None if the frame lacks any of it."""
        camera, members, depth = self.truth.camera, self.members(t), self.depth[t]
        if camera is None or not camera.valid[self.indices[t]]:
            return None
        if self.K_t33 is None or members is None or depth is None:
            return None
        return View(
            z_depth_m_hw=depth,
            instance_hw=members,
            K=self.K_t33[t],
            world_T_cam=camera.matrix[self.indices[t]],
        )


def resample(truth: PartialTruth, frame_indices: Sequence[int], size_px: int) -> PartialClipTruth:
    """Truth at the chosen frames, squashed to `size_px` x `size_px`; see `WorldTruth.resample`.

    Raises:
        TruthError: an index is outside the video, the indices do not increase, or a map of one of
            the frames is damaged.
    """
    indices = tuple(int(index) for index in frame_indices)
    if not indices or indices[0] < 0 or indices[-1] >= len(truth.pts_ns):
        raise TruthError(f"frames {list(indices)} are not all in a video of {len(truth.pts_ns)}")
    if any(b <= a for a, b in itertools.pairwise(indices)):
        raise TruthError(f"frames of a clip must increase, got {list(indices)}")
    clip = _Clip(truth, indices, size_px)
    flow, flow_valid = _flow(clip)
    depth, valid = _depth(clip)
    instances, instance_known = _instances(clip)
    camera = None if truth.camera is None else truth.camera.at(indices)
    poses = None if truth.object_poses is None else truth.object_poses.at(indices)
    seen = camera is not None and camera.valid.any()
    posed = poses is not None and poses.valid.any()
    return PartialClipTruth(
        z_depth_m_thw=depth,
        valid_thw=valid,
        instance_thw=instances,
        instance_known_t=instance_known,
        flow_px_thw2=flow,
        flow_valid_thw=flow_valid,
        moving_thw=_moving(clip),
        world_T_cam_t44=camera.matrix if camera is not None and seen else None,
        camera_known_t=camera.valid.astype(np.uint8) if camera is not None and seen else None,
        K_t33=clip.K_t33,
        world_T_obj_kt44=poses.matrix if poses is not None and posed else None,
        object_known_kt=poses.valid.astype(np.uint8) if poses is not None and posed else None,
        objects=truth.objects,
    )


def depth_tolerance(truth: PartialTruth) -> float:
    """Relative difference up to which two depths may be of one point: 3 sigma of both."""
    return max(DEPTH_TOLERANCE, 3 * 2**0.5 * truth.depth_sigma_ratio)


def clip_parts(truth: PartialTruth, clip: PartialClipTruth) -> ClipParts:
    """What the truth of a clip gives."""
    there = {
        "depth": clip.z_depth_m_thw is not None,
        "camera": clip.world_T_cam_t44 is not None,
        "intrinsics": clip.K_t33 is not None,
        "instances": clip.instance_thw is not None,
        "object_poses": clip.world_T_obj_kt44 is not None,
        "object_sizes": any(item.size_m is not None for item in clip.objects),
        "flow": clip.flow_px_thw2 is not None,
        "motion": clip.moving_thw is not None,
    }
    valid, camera, masks = clip.valid_thw, clip.camera_known_t, clip.instance_known_t
    return ClipParts(
        gives=frozenset(part for part in CLIP_PARTS if there[part]),
        scale=truth.scale,
        up=truth.up,
        times=truth.times,
        background=truth.background,
        depth_sigma_ratio=truth.depth_sigma_ratio,
        pose_sigma_m=truth.pose_sigma_m,
        depth_frames=0 if valid is None else int(valid.any(axis=(1, 2)).sum()),
        camera_frames=0 if camera is None else int(camera.sum()),
        instance_frames=0 if masks is None else int(masks.sum()),
    )


def _depth(clip: _Clip) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    nothing = np.zeros((clip.size_px, clip.size_px), np.float32)
    z_thw = np.stack([nothing if z_hw is None else z_hw for z_hw in clip.depth])
    if not (z_thw > 0).any():
        return None, None
    return z_thw.astype(np.float32), (z_thw > 0).astype(np.uint8)


def _instances(clip: _Clip) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    known = np.array([ids_hw is not None for ids_hw in clip.instances], np.uint8)
    if not known.any():
        return None, None
    nothing = np.zeros((clip.size_px, clip.size_px), np.uint8)
    return np.stack([nothing if i is None else i for i in clip.instances]), known


def _flow(clip: _Clip) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    """Stored flow, or else what follows from depth and poses; None if nothing is known."""
    if clip.truth.flow is not None:
        native, known = chained_flow(clip.truth.flow, clip.indices, clip.rows, clip.columns)
        flow = native * (
            clip.size_px / clip.truth.width_px, clip.size_px / clip.truth.height_px,
        )  # fmt: skip
    else:
        flow, known = _derived_flow(clip)
    if not known.any():
        return None, None
    return np.where(known[..., None], flow, 0).astype(np.float32), known.astype(np.uint8)


def _derived_flow(clip: _Clip) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    shape = (len(clip.indices), clip.size_px, clip.size_px)
    flow, known = np.zeros((*shape, 2)), np.zeros(shape, bool)
    for t in range(1, len(clip.indices)):
        view, other = clip.view(t), clip.view(t - 1)
        if view is None or other is None:
            continue
        moves = clip.moves(t, t - 1)
        moved, valid = flow_between(view, other, moves, depth_tolerance(clip.truth))
        flow[t] = moved
        known[t] = valid & np.isin(view.instance_hw, list(moves))
    return flow, known


def _moving(clip: _Clip) -> NDArray[np.uint8] | None:
    """Where the world moves, if it is known for every pixel of every frame."""
    shape = (len(clip.indices), clip.size_px, clip.size_px)
    if clip.still:
        return np.zeros(shape, np.uint8)
    if clip.truth.scale != "metric":
        return None  # the least motion that counts is in metres
    moving = np.zeros(shape, bool)
    for t in range(len(clip.indices)):
        neighbour = t - 1 if t > 0 else min(1, len(clip.indices) - 1)
        members, moves = clip.members(t), clip.moves(t, neighbour)
        if members is None or not np.isin(members, list(moves)).all():
            return None
        posed = [
            instance
            for instance, motion in moves.items()
            if (np.asarray(motion) != np.eye(4)).any()
        ]
        if not np.isin(members, posed).any():
            continue
        view = clip.view(t)
        if view is None or not (view.z_depth_m_hw[np.isin(members, posed)] > 0).all():
            return None  # where a point lies decides how far a turning object moves it
        moving[t] = world_motion_m(view, moves) >= MOVING_THRESHOLD_M
    return moving.astype(np.uint8)
