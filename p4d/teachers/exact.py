"""The teacher that copies exact truth, for clips that have it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from p4d.errors import LabelError
from p4d.geometry.map_grid import map_intrinsics, sample_flow, sample_map
from p4d.teachers.protocol import LONGEST_FLOW_PX, ClipInput, LabelArrays
from p4d.video.source_frames import SourceSize


class ExactTeacher:
    """Exact truth, sampled to the map grid like the training targets of the expert.

    Of a clip it gives the modalities that its truth has, and no others. Their scale is that of the
    truth, which `labels/index.parquet` states by clip.
    """

    name = "exact"
    depth_kind = "z"
    scale_kind = "metric"
    needs_truth = True
    reads: SourceSize | None = None
    uses: tuple[str, ...] = ()
    batch = 0

    def __init__(self, map_px: int) -> None:
        """`map_px`: side of the maps."""
        self.map_px = map_px
        self.digest = hashlib.sha256(f"exact-1/{map_px}".encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Sample the truth of each clip.

        Raises:
            LabelError: a clip has no truth.
        """
        return [self._label_clip(clip) for clip in clips]

    def _label_clip(self, clip: ClipInput) -> LabelArrays:
        if clip.truth is None:
            raise LabelError(f"clip {clip.clip_id} has no truth to copy")
        return truth_labels(clip.truth, self.map_px, clip.truth_px)


def truth_labels(truth: Mapping[str, NDArray], map_px: int, size_px: int) -> LabelArrays:
    """Truth arrays of a clip on the map grid; depth and flow are 0 where they are not valid.

    Args:
        truth: by the names of clips/truth.safetensors; what is absent is absent in the label.
        map_px: side of the maps.
        size_px: side of the square of the truth.
    """
    found: dict[str, NDArray] = {}
    if "z_depth_m_thw" in truth:
        valid = sample_map(truth["valid_thw"], map_px).astype(bool)
        depth = np.where(valid, sample_map(truth["z_depth_m_thw"], map_px), 0)
        found |= {"depth_thw": depth.astype(np.float32), "valid_thw": valid}
    if "flow_px_thw2" in truth:
        flow = sample_flow(truth["flow_px_thw2"], map_px)
        flow_valid = sample_map(truth["flow_valid_thw"], map_px).astype(bool)
        flow_valid[0] = False
        flow_valid &= (np.abs(flow) <= LONGEST_FLOW_PX).all(-1)
        flow = np.where(flow_valid[..., None], flow, 0)
        found |= {"flow_px_thw2": flow, "flow_valid_thw": flow_valid}
    if "moving_thw" in truth:
        found["motion_thw"] = sample_map(truth["moving_thw"], map_px).astype(np.float32)
    if "world_T_cam_t44" in truth:
        found["world_T_cam_t44"] = truth["world_T_cam_t44"]
        found["K_t33"] = map_intrinsics(truth["K_t33"], size_px, map_px)
    return LabelArrays(**found)
