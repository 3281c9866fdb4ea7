"""What labels take from the truth of a clip: whole modalities, as truth came whole or in parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import Arrays
from p4d.truth import ClipParts, read_parts
from p4d.truth.clip_parts import WHOLE

ARRAYS: Mapping[str, tuple[str, ...]] = {
    "depth": ("z_depth_m_thw", "valid_thw"),
    "flow": ("flow_px_thw2", "flow_valid_thw"),
    "motion": ("moving_thw",),
    "camera": ("world_T_cam_t44", "K_t33"),
}
"""Arrays of truth.safetensors by modality of a label."""


class ClipTruths:
    """The truth of the clips of a shard, by modality of a label."""

    def __init__(self, clips: Path) -> None:
        """`clips`: folder of the stage `clips` of one shard."""
        self._parts = read_parts(clips)
        path = clips / "truth.safetensors"
        self._arrays: Mapping[str, np.ndarray] = Arrays(path) if path.is_file() else {}

    def parts(self, clip_id: str) -> ClipParts:
        """What the truth of a clip gives."""
        return self._parts[clip_id]

    def modalities(self, clip_id: str) -> tuple[str, ...]:
        """Modalities of a label that the truth gives of every frame of a clip.

        Labels have no validity of single poses, so a camera needs a pose in every frame.
        """
        parts = self._parts[clip_id]
        if parts is WHOLE:
            return tuple(ARRAYS)
        there = set(parts.gives & {"depth", "flow", "motion"})
        if {"camera", "intrinsics"} <= parts.gives:
            known_t = self._arrays[f"{clip_id}.camera_known_t"]
            if known_t.all():
                there.add("camera")
        return tuple(name for name in ARRAYS if name in there)

    def read(self, clip_id: str) -> dict[str, NDArray]:
        """The arrays of these modalities.

        Raises:
            KeyError: an array is missing.
        """
        names = [name for modality in self.modalities(clip_id) for name in ARRAYS[modality]]
        return {name: self._arrays[f"{clip_id}.{name}"] for name in names}
