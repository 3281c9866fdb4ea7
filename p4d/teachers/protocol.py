"""What every teacher receives and returns: the contract between teachers, labels and distillation.

A `Teacher` writes dense labels of clips (`LabelArrays`) into the label store. A `LatentTeacher` is
a network whose latents a student can learn to predict, and whose heads decode predicted latents
into maps. Conventions of depth, flow, motion, cameras and rays: p4d/geometry/CONVENTIONS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from p4d.errors import LabelError
from p4d.video.source_frames import SourceSize

if TYPE_CHECKING:  # readers of stored labels do not need torch
    from torch import Tensor

LONGEST_FLOW_PX = 511.0
"""Largest flow component that the label store can hold (int16 at 1/64 px)."""


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """What a teacher may read of a clip.

    Attributes:
        clip_id: id of the clip.
        rgb_thw3: frames, u8 [T, S, S, 3]; where a teacher asks for source frames (`Teacher.reads`),
            those, u8 [T, H, W, 3] in the proportions of the video.
        truth: exact truth with the array names of clips/truth.safetensors, of whole modalities
            (p4d/teachers/labelling/clip_truth.py); None if there is none.
        truth_px: side of the square that truth was resampled to.
        truth_scale: `metric` or `relative`.
        labels: of the same clip by the teachers that `Teacher.uses` names, as stored; none of a
            teacher that failed on it.
        picture_px: width and height of the video; None if it is not known, as of rendered clips.
    """

    clip_id: str
    rgb_thw3: NDArray[np.uint8]
    truth: Mapping[str, NDArray] | None
    truth_px: int = 0
    truth_scale: str = "metric"
    labels: Mapping[str, Mapping[str, NDArray]] = field(default_factory=dict)
    picture_px: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class LabelArrays:
    """Labels of one clip by one teacher; None for a modality that the teacher does not predict.

    Attributes:
        depth_thw: [T, M, M]; its kind and scale are in the index table.
        valid_thw: where depth is known; required with depth.
        flow_px_thw2: backward flow in px of the M grid; frame 0 is zero.
        flow_valid_thw: where flow is known; required with flow.
        motion_thw: probability of motion in [0, 1].
        world_T_cam_t44: poses; the first one is the identity for relative teachers.
        K_t33: intrinsics of the M grid (p4d/geometry/map_grid.py).
        rays_thw6: rays that a network predicts on its token grid.
        latents: [H, T / tubelet, h, w, D].
    """

    depth_thw: NDArray | None = None
    valid_thw: NDArray | None = None
    flow_px_thw2: NDArray | None = None
    flow_valid_thw: NDArray | None = None
    motion_thw: NDArray | None = None
    world_T_cam_t44: NDArray | None = None
    K_t33: NDArray | None = None
    rays_thw6: NDArray | None = None
    latents: NDArray | None = None

    def present(self) -> dict[str, NDArray]:
        """The modalities that are not None, without latents."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        return {k: v for k, v in named.items() if v is not None and k != "latents"}


@runtime_checkable
class PredictingTeacher(Protocol):
    """A teacher whose labels need arithmetic behind the network, which another thread can do."""

    def predict(self, clips: Sequence[ClipInput]) -> Sequence[Callable[[], LabelArrays]]:
        """As `Teacher.label`; each label is made when it is called for."""
        ...


def check_labels(arrays: LabelArrays) -> None:
    """Check a label against the contract.

    Raises:
        LabelError: a mask is missing or differs in shape, a value is not finite, or out of range.
    """
    present = arrays.present()
    for modality, mask in (("depth_thw", "valid_thw"), ("flow_px_thw2", "flow_valid_thw")):
        if (modality in present) != (mask in present):
            raise LabelError(f"{modality} and {mask} come together or not at all")
        if modality in present and present[modality].shape[:3] != present[mask].shape:
            shapes = present[modality].shape, present[mask].shape
            raise LabelError(f"{modality} and {mask} differ in shape: {shapes[0]}, {shapes[1]}")
    latents = {} if arrays.latents is None else {"latents": arrays.latents}
    for modality, values in (present | latents).items():
        bad = int(values.size - np.isfinite(values).sum())
        if bad:
            raise LabelError(f"{modality}: {bad} of {values.size} values are not finite")
    limits = {
        "depth_thw": (0.0, float(np.finfo(np.float16).max)),
        "flow_px_thw2": (-LONGEST_FLOW_PX, LONGEST_FLOW_PX),
        "motion_thw": (0.0, 1.0),
    }
    for modality, (low, high) in limits.items():
        if modality not in present:
            continue
        values = present[modality]
        if values.size and (values.min() < low or values.max() > high):
            found = f"[{values.min():.4g}, {values.max():.4g}]"
            raise LabelError(f"{modality}: values {found} leave [{low:.4g}, {high:.4g}]")


class Teacher(Protocol):
    """One source of labels.

    Attributes:
        name: key in the label store, without dots.
        digest: identifies weights and settings.
        depth_kind: `z` (planar), or `inverse_affine` (inverse depth up to scale and offset).
        scale_kind: `metric` or `relative`.
        map_px: side of the maps.
        needs_truth: whether the teacher labels only clips that have truth.
        reads: the source frames that it wants; None: the clip's own square frames.
        uses: teachers whose labels it reads, in `ClipInput.labels`.
        batch: clips per call; 0: as many as the stage gives.
    """

    name: str
    digest: str
    depth_kind: str
    scale_kind: str
    map_px: int
    needs_truth: bool
    reads: SourceSize | None
    uses: tuple[str, ...]
    batch: int

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Label the clips, in order.

        Raises:
            LabelError: a clip of the batch cannot be labelled.
        """


@dataclass(frozen=True, kw_only=True)
class DenseMaps:
    """Explicit maps as the heads of a teacher return them (differentiable).

    B clips, T frames, M the side of the maps, h = w tokens per side.

    Attributes:
        log_depth_bthw: natural logarithm of planar depth, [B, T, M, M].
        flow_px_bthw2: backward flow in px of the M grid, [B, T, M, M, 2]; undefined in frame 0.
        motion_logit_bthw: logit of "this point moved in the world", [B, T, M, M].
        rays_bthw6: (d, o x d) through token centres, d not exactly unit, [B, T, h, w, 6].
    """

    log_depth_bthw: Tensor
    flow_px_bthw2: Tensor
    motion_logit_bthw: Tensor
    rays_bthw6: Tensor


class LatentTeacher(Protocol):
    """A frozen network for distillation: its latents are targets, its heads decode predictions.

    Attributes:
        digest: identifies weights and settings.
    """

    digest: str

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the latents of one clip, [H, T / tubelet, h, w, D]."""

    @property
    def map_px(self) -> int:
        """Side of the maps that its heads decode."""

    def encode(self, rgb_bthw3: Tensor) -> Tensor:
        """Latents [B, H, T / tubelet, h, w, D] of u8 frames [B, T, S, S, 3]."""

    def decode(self, latents: Tensor) -> DenseMaps:
        """Decode latents into maps; gradients flow to the latents."""

    def to(self, device: str) -> object:
        """Move the weights to a device."""
