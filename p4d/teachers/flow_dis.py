"""A teacher of flow without weights: dense inverse search of OpenCV, on source frames.

Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016. Backward flow is searched
from each frame to the one before it, and forward flow the other way; where the two do not cancel
(Sundaram et al., "Dense point trajectories by GPU-accelerated large displacement optical flow",
ECCV 2010), a point was hidden or the search failed, and the flow is not valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.geometry.map_grid import lands_inside, sample_picture_flow, sample_picture_map
from p4d.ids import canonical_json
from p4d.teachers.protocol import LONGEST_FLOW_PX, ClipInput, LabelArrays
from p4d.video.appearance import grey_levels
from p4d.video.source_frames import SourceSize

INPUT_PX = 384
"""Longer side of the frames, unless settings state another."""

CYCLE_RATIO, CYCLE_PX2 = 0.01, 0.5
"""Valid: |b + f|^2 < ratio (|b|^2 + |f|^2) + px^2, the constants of Sundaram et al."""

FLOW_SIGMA_SHARE = 0.0065
"""Error of the flow of a region at rest, in sides of the map."""


class DisFlowTeacher:
    """Backward flow and its validity, for any clip of a landed video."""

    depth_kind = "z"  # of no depth
    scale_kind = "relative"
    needs_truth = False
    uses: tuple[str, ...] = ()
    reads: SourceSize | None

    def __init__(self, name: str, settings: TeacherParams, map_px: int) -> None:
        """Choose sizes.

        Raises:
            ConfigError: OpenCV is not installed, or the device is not the CPU.
        """
        if settings.device != "cpu":
            raise ConfigError(f"labels.settings.{name}: flow_dis runs on cpu alone")
        self._cv = opencv(name)
        self.name, self.map_px = name, settings.map_px or map_px
        self.batch = settings.batch
        size = SourceSize(settings.input_px or INPUT_PX)
        self.reads = size
        self.file_digests: dict[str, str] = {}
        self.sigma = {"flow": settings.flow_sigma_px or FLOW_SIGMA_SHARE * self.map_px}
        identity = ["flow_dis-1", self._cv.__version__, self.map_px, size.longest_px]
        self.digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Flow of the clips."""
        return [self._label_clip(clip.rgb_thw3) for clip in clips]

    def _label_clip(self, rgb_thw3: NDArray[np.uint8]) -> LabelArrays:
        grey_thw = grey_levels(rgb_thw3)
        frames, height, width = grey_thw.shape
        flow = np.zeros((frames, height, width, 2), np.float32)
        valid = np.zeros((frames, height, width), bool)
        for t in range(1, frames):
            flow[t] = dis_flow(self._cv, grey_thw[t], grey_thw[t - 1])
            forward = dis_flow(self._cv, grey_thw[t - 1], grey_thw[t])
            valid[t] = cycle_closes(flow[t], forward)
        valid &= lands_inside(flow)
        flow_px = sample_picture_flow(flow, self.map_px)
        kept = sample_picture_map(valid, self.map_px)
        kept &= (np.abs(flow_px) <= LONGEST_FLOW_PX).all(-1)
        flow_px = np.clip(flow_px, -LONGEST_FLOW_PX, LONGEST_FLOW_PX)
        return LabelArrays(flow_px_thw2=flow_px, flow_valid_thw=kept)


def dis_flow(cv: Any, of_hw: NDArray[np.uint8], to_hw: NDArray[np.uint8]) -> NDArray:  # noqa: ANN401
    """Flow from `of` to `to` in px, [H, W, 2]; `cv` is OpenCV (`opencv`)."""
    search = cv.DISOpticalFlow_create(cv.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found: NDArray = search.calc(np.ascontiguousarray(of_hw), np.ascontiguousarray(to_hw), None)
    return found


def cycle_closes(backward_hw2: NDArray, forward_hw2: NDArray) -> NDArray[np.bool_]:
    """Where forward flow at the place that backward flow leads to comes back."""
    height, width = backward_hw2.shape[:2]
    v, u = np.indices((height, width), dtype=np.float32)
    landed_u, landed_v = u + backward_hw2[..., 0], v + backward_hw2[..., 1]
    column = np.clip(np.rint(landed_u), 0, width - 1).astype(int)
    row = np.clip(np.rint(landed_v), 0, height - 1).astype(int)
    returned = forward_hw2[row, column]
    lengths = (backward_hw2**2).sum(-1) + (returned**2).sum(-1)
    gap = ((backward_hw2 + returned) ** 2).sum(-1)
    return np.asarray(gap < CYCLE_RATIO * lengths + CYCLE_PX2)


def opencv(name: str) -> Any:  # noqa: ANN401
    """OpenCV, on one thread: its sums are then the same on any number of cores.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            f"labels.settings.{name} needs OpenCV: pip install 'p4d[teachers]'"
        ) from error
    cv2.setNumThreads(1)
    return cv2
