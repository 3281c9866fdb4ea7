"""L4P as a teacher: one window of frames gives depth, flow, motion, camera and latents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.geometry.cameras import scale_intrinsics
from p4d.geometry.map_grid import lands_inside, map_intrinsics, sample_flow, sample_map
from p4d.ids import canonical_json
from p4d.teachers.expert4d.camera_fit import fit_cameras
from p4d.teachers.l4p.network import load
from p4d.teachers.protocol import LONGEST_FLOW_PX, ClipInput, LabelArrays
from p4d.teachers.weights import check_revision, checked_device, named
from p4d.video.source_frames import SourceSize


class L4PTeacher:
    """A frozen network of the layout of L4P.

    Its depth is scale-invariant, so depth and camera are declared relative. Frames are squashed to
    its square. Clips must have as many frames as its window.
    """

    depth_kind, scale_kind = "z", "relative"
    needs_truth = False
    uses: tuple[str, ...] = ()
    reads: SourceSize | None

    def __init__(self, name: str, settings: TeacherParams, frames: int) -> None:
        """Load the network.

        Args:
            name: key in the label store.
            settings: `where` is a folder; `map_px` 0 stores maps of the size of its frames.
            frames: of a clip.

        Raises:
            ConfigError: the folder cannot be used, or clips have another length.
        """
        with named(name):
            network = load(Path(settings.where))
        check_revision(name, settings, network.file_digests)
        config = network.config
        if frames != config.frames or settings.input_px not in (0, config.size_px):
            raise ConfigError(
                f"labels.settings.{name}: {settings.where} takes {config.frames} frames of "
                f"{config.size_px} px; set clips.frames: {config.frames} and input_px: 0"
            )
        self._device = checked_device(name, settings)
        self._network = network.to(self._device)
        self.name, self.map_px = name, settings.map_px or config.size_px
        self.batch, self.reads = settings.batch or 1, SourceSize(0)
        self.file_digests = network.file_digests
        self.sigma = {
            each: settings.sigma(each) for each in ("flow", "motion") if settings.sigma(each)
        }
        identity = ["l4p-1", network.digest, self.map_px, self._device[:4]]
        self.digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """All labels of the clips."""
        frames = torch.stack([self._squashed(clip.rgb_thw3) for clip in clips])
        with torch.no_grad():
            latents = self._network.encode(frames)
            maps = self._network.decode(latents)
        depth = torch.exp(maps.log_depth_bthw).cpu().numpy()
        flow = maps.flow_px_bthw2.cpu().numpy()
        motion = torch.sigmoid(maps.motion_logit_bthw).cpu().numpy()
        rays, kept = maps.rays_bthw6.cpu().numpy(), latents.cpu().numpy()
        return [
            self._label_clip(depth[i], flow[i], motion[i], rays[i], kept[i])
            for i in range(len(clips))
        ]

    def _squashed(self, rgb_thw3: NDArray[np.uint8]) -> torch.Tensor:
        """Frames at its own size, u8 [T, S, S, 3]."""
        frames = torch.from_numpy(np.ascontiguousarray(rgb_thw3)).to(self._device)
        side = (self._network.config.size_px,) * 2
        frames = functional.interpolate(
            frames.permute(0, 3, 1, 2).float(), side, mode="bilinear", antialias=True
        )
        return frames.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def _label_clip(
        self, depth: NDArray, flow: NDArray, motion: NDArray, rays: NDArray, latents: NDArray
    ) -> LabelArrays:
        config = self._network.config
        flow = flow.copy()
        flow[0] = 0  # the first frame of a window has no flow
        flow = np.clip(sample_flow(flow, self.map_px), -LONGEST_FLOW_PX, LONGEST_FLOW_PX)
        flow_valid = lands_inside(flow)
        flow_valid[0] = False
        depth = sample_map(depth, self.map_px)
        valid = np.isfinite(depth) & (depth > 0) & (depth <= np.finfo(np.float16).max)
        grid_K, poses = fit_cameras(rays)
        fitted = np.isfinite(grid_K).all() and np.isfinite(poses).all()  # else only its rays
        px_per_token = config.size_px / config.tokens_hw
        picture_K = scale_intrinsics(grid_K, px_per_token, px_per_token)
        K = map_intrinsics(picture_K[None], config.size_px, self.map_px)
        return LabelArrays(
            depth_thw=np.where(valid, depth, 0),
            valid_thw=valid,
            flow_px_thw2=flow,
            flow_valid_thw=flow_valid,
            motion_thw=sample_map(motion, self.map_px),
            world_T_cam_t44=poses if fitted else None,
            K_t33=np.repeat(K, len(depth), axis=0) if fitted else None,
            rays_thw6=rays,
            latents=latents,
        )
