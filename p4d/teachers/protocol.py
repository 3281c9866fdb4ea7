"""Teachers: who labels clips, behind one interface."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from p4d.errors import LabelError
from p4d.geometry.cameras import scale_intrinsics
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.camera_fit import fit_cameras
from p4d.teachers.labelling.maps import lands_inside, map_intrinsics, sample_flow, sample_map
from p4d.teachers.labelling.store import LONGEST_FLOW_PX, LabelArrays


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """What a teacher may see of a clip: frames u8 [T, S, S, 3], and exact truth where there is any.

    `truth` has the array names of clips/truth.safetensors.
    """

    clip_id: str
    rgb_thw3: NDArray[np.uint8]
    truth: Mapping[str, NDArray] | None


class Teacher(Protocol):
    """One source of labels.

    Attributes:
        name: key in the store, without dots.
        digest: identifies weights and settings.
        depth_kind: z (planar), or inverse_affine (inverse depth up to scale and offset).
        scale_kind: metric | relative.
        map_px: side of the maps.
        needs_truth: it labels only clips that have truth.
    """

    name: str
    digest: str
    depth_kind: str
    scale_kind: str
    map_px: int
    needs_truth: bool

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Labels of the clips, in order.

        Raises:
            LabelError: a clip of the batch cannot be labelled.
        """


class ExpertTeacher:
    """The frozen expert network.

    It is trained on metric worlds, but nothing ties its scale to metres on other videos, so its
    depth and camera are declared relative.
    """

    name = "expert4d"
    depth_kind = "z"
    scale_kind = "relative"
    needs_truth = False

    def __init__(self, folder: Path) -> None:
        """Load the expert of `folder`."""
        self._expert = expert4d.load(folder)
        self.digest = self._expert.digest
        self.map_px = self._expert.config.map_px
        self.tokens_hw = self._expert.config.tokens_hw

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """One forward pass over all clips, in float32."""
        shapes = {clip.rgb_thw3.shape for clip in clips}
        if len(shapes) > 1:
            raise LabelError(f"clips of one batch differ in shape: {sorted(shapes)}")
        pictures = torch.from_numpy(np.stack([clip.rgb_thw3 for clip in clips]))
        with torch.no_grad():
            latents, maps = self._expert(pictures)
        depth = torch.exp(maps.log_depth_bthw).numpy()
        flow = maps.flow_px_bthw2.numpy().copy()
        flow[:, 0] = 0  # the head says something there; it means nothing
        motion = torch.sigmoid(maps.motion_logit_bthw).numpy()
        rays = maps.rays_bthw6.numpy()
        return [
            self._one(depth[i], flow[i], motion[i], rays[i], latents[i].numpy())
            for i in range(len(clips))
        ]

    def _one(
        self, depth: NDArray, flow: NDArray, motion: NDArray, rays: NDArray, latents: NDArray
    ) -> LabelArrays:
        config = self._expert.config
        grid_K, poses = fit_cameras(rays)
        to_picture = config.size_px / config.tokens_hw
        picture_K = scale_intrinsics(grid_K, to_picture, to_picture)
        K = map_intrinsics(picture_K[None], config.size_px, config.map_px)
        flow_valid = lands_inside(flow)
        flow_valid[0] = False
        return LabelArrays(
            depth_thw=depth,
            valid_thw=np.ones(depth.shape, bool),
            flow_px_thw2=flow,
            flow_valid_thw=flow_valid,
            motion_thw=motion,
            world_T_cam_t44=poses,
            K_t33=np.repeat(K, len(depth), axis=0),
            rays_thw6=rays,
            latents=latents,
        )


class ExactTeacher:
    """Truth, passed on where a clip has it; sampled to the map grid like training targets."""

    name = "exact"
    depth_kind = "z"
    scale_kind = "metric"
    needs_truth = True

    def __init__(self, map_px: int) -> None:
        """`map_px`: side of the maps."""
        self.map_px = map_px
        self.digest = hashlib.sha256(f"exact-1/{map_px}".encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Truth on the map grid; raises LabelError where a clip has none."""
        return [self._one(clip) for clip in clips]

    def _one(self, clip: ClipInput) -> LabelArrays:
        if clip.truth is None:
            raise LabelError(f"clip {clip.clip_id} has no truth to pass on")
        return truth_labels(clip.truth, self.map_px)


def truth_labels(truth: Mapping[str, NDArray], map_px: int) -> LabelArrays:
    """Truth arrays of a clip on the map grid, depth 0 and flow 0 where not valid."""
    size_px = truth["z_depth_m_thw"].shape[1]
    valid = sample_map(truth["valid_thw"], map_px).astype(bool)
    depth = np.where(valid, sample_map(truth["z_depth_m_thw"], map_px), 0)
    flow = sample_flow(truth["flow_px_thw2"], map_px)
    flow_valid = sample_map(truth["flow_valid_thw"], map_px).astype(bool)
    flow_valid[0] = False
    flow_valid &= (np.abs(flow) <= LONGEST_FLOW_PX).all(-1)
    return LabelArrays(
        depth_thw=depth.astype(np.float32),
        valid_thw=valid,
        flow_px_thw2=np.where(flow_valid[..., None], flow, 0),
        flow_valid_thw=flow_valid,
        motion_thw=sample_map(truth["moving_thw"], map_px).astype(np.float32),
        world_T_cam_t44=truth["world_T_cam_t44"],
        K_t33=map_intrinsics(truth["K_t33"], size_px, map_px),
    )
