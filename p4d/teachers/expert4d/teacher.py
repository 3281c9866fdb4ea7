"""The expert network as a teacher: one forward pass gives all labels of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from p4d.errors import LabelError
from p4d.geometry.cameras import scale_intrinsics
from p4d.geometry.map_grid import lands_inside, map_intrinsics
from p4d.teachers.expert4d.camera_fit import fit_cameras
from p4d.teachers.expert4d.network import load
from p4d.teachers.protocol import ClipInput, LabelArrays
from p4d.video.appearance import area_mean
from p4d.video.source_frames import SourceSize


class ExpertTeacher:
    """The frozen expert network.

    It is trained on metric worlds, but nothing ties its scale to metres on other videos, so its
    depth and camera are declared relative.
    """

    name = "expert4d"
    depth_kind = "z"
    scale_kind = "relative"
    needs_truth = False
    reads: SourceSize | None = None
    uses: tuple[str, ...] = ()
    batch = 0

    def __init__(self, folder: Path) -> None:
        """Load the expert from `folder`, the output of stage `expert`."""
        self._expert = load(folder)
        self.digest = self._expert.digest
        self.map_px = self._expert.config.map_px

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Label all clips in one forward pass, in float32; frames are averaged to its own size.

        Raises:
            LabelError: clips differ in shape, or do not have the size the network was built for.
        """
        return [finish() for finish in self.predict(clips)]

    def predict(self, clips: Sequence[ClipInput]) -> list[Callable[[], LabelArrays]]:
        """Run the forward pass; what is returned fits the cameras and makes the label of a clip.

        Raises:
            LabelError: clips differ in shape, or do not have the size the network was built for.
        """
        shapes = {clip.rgb_thw3.shape for clip in clips}
        if len(shapes) > 1:
            raise LabelError(f"clips of one batch differ in shape: {sorted(shapes)}")
        size_px = self._expert.config.size_px
        frames = torch.from_numpy(np.stack([_resized(clip.rgb_thw3, size_px) for clip in clips]))
        with torch.no_grad():
            latents, maps = self._expert(frames)
        depth = torch.exp(maps.log_depth_bthw).numpy()
        flow = maps.flow_px_bthw2.numpy().copy()
        flow[:, 0] = 0  # the first frame has no previous frame; the head's output is undefined
        motion = torch.sigmoid(maps.motion_logit_bthw).numpy()
        rays = maps.rays_bthw6.numpy()
        return [
            partial(self._label_clip, depth[i], flow[i], motion[i], rays[i], latents[i].numpy())
            for i in range(len(clips))
        ]

    def _label_clip(
        self, depth: NDArray, flow: NDArray, motion: NDArray, rays: NDArray, latents: NDArray
    ) -> LabelArrays:
        config = self._expert.config
        grid_K, poses = fit_cameras(rays)
        picture_px_per_token = config.size_px / config.tokens_hw
        picture_K = scale_intrinsics(grid_K, picture_px_per_token, picture_px_per_token)
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


def _resized(rgb_thw3: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Square frames at the expert's size; larger ones are made from smaller by repetition only."""
    if rgb_thw3.shape[1] == size_px:
        return rgb_thw3
    return np.stack([area_mean(frame, size_px, size_px) for frame in rgb_thw3])
