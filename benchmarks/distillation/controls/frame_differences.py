"""Distillation without a teacher: the student predicts differences of neighbouring frames.

In the place of the expert's latents stand the mean absolute differences of each frame from the one
before, in cells of a patch, which anybody can compute from the pictures. Losses, decoder, weights
and phases are those of P4D with latents alone. What this arm gains over SFT is due to a dense
auxiliary loss; what P4D gains over this arm is due to its teacher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from benchmarks.distillation.controls.fitting import ControlRun, fit
from p4d.errors import ContractError
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.samples import LATENTS, LabelReader
from p4d.students.distillation.losses import AutoBalance, TermWeights
from p4d.students.distillation.perception import LatentStats
from p4d.students.model.student import Student, load
from p4d.students.training.arm import Distillation
from p4d.students.training.distillation_setup import (
    DistillationSetup,
    new_decoder,
    new_region_decoder,
)
from p4d.students.training.run import Phases
from p4d.teachers.protocol import DenseMaps

FRAMES, PATCH_PX, CELL_PX = 2, 8, 4
"""A target covers a tubelet and a patch of the embedded expert; a patch has four cells."""
MEASURED_CLIPS = 256
"""Clips that mean and deviation of the targets are measured on."""


def frame_differences(frames_thw3: np.ndarray) -> np.ndarray:
    """Targets `[1, T / 2, S / 8, S / 8, 8]` float32 of u8 frames `[T, S, S, 3]`.

    Channels: two frames of four cells, each the mean absolute difference from the frame before, in
    units of the range of a picture. The first frame differs from none: its channels are zero.

    Raises:
        ContractError: the frames do not divide into tubelets and patches.
    """
    count, height, width = frames_thw3.shape[:3]
    if count % FRAMES or height % PATCH_PX or width % PATCH_PX:
        raise ContractError(f"frames {frames_thw3.shape} do not divide into tubelets of {FRAMES}")
    grey = frames_thw3.astype(np.float32).mean(axis=-1) / 255
    change = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    sides = PATCH_PX // CELL_PX
    rows, columns = height // PATCH_PX, width // PATCH_PX
    cells = change.reshape(
        count // FRAMES, FRAMES, rows, sides, CELL_PX, columns, sides, CELL_PX
    ).mean(axis=(4, 7))
    targets: np.ndarray = cells.transpose(0, 2, 4, 1, 3, 5).reshape(
        1, count // FRAMES, rows, columns, FRAMES * sides**2
    )
    return targets


class DifferenceLabels(LabelReader):
    """The targets of every clip, computed from its pictures."""

    def __init__(self, clips: ClipReader) -> None:
        """Read the pictures of `clips`."""
        self._clips = clips

    def has(self, shard: str, clip_id: str) -> bool:
        """Every clip has differences."""
        del shard, clip_id
        return True

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """The targets as latents; there are no maps."""
        del maps
        frames = self._clips.read(shard, clip_id).frames[1:]  # without the marked picture
        return {LATENTS: frame_differences(frames).astype(np.float16)}


class NoTeacher:
    """The shape of the targets, in the place of a teacher; it decodes nothing."""

    digest = "frame differences"
    map_px = 0

    def __init__(self, shape: tuple[int, int, int, int, int]) -> None:
        """Take the shape of the targets of one clip, `[1, t, h, w, D]`."""
        self.latent_shape = shape

    def encode(self, rgb_bthw3: Tensor) -> Tensor:
        """Targets of clips, u8 `[B, T, S, S, 3]`."""
        return torch.stack(
            [torch.from_numpy(frame_differences(one.numpy())) for one in rgb_bthw3.cpu()]
        )

    def decode(self, latents: Tensor) -> DenseMaps:
        """There are no heads.

        Raises:
            ContractError: always.
        """
        del latents
        raise ContractError("frame differences have no heads; distil no explicit maps from them")

    def to(self, device: str) -> object:
        """There are no weights to move."""
        del device
        return self


def difference_setup(run: ControlRun, student: Student) -> DistillationSetup:
    """The side of the teacher: targets, decoder, weights and phases."""
    labels, params = DifferenceLabels(run.clips), run.params
    shards = run.shard_of_clips()
    measured = sorted(shards)[:: max(1, len(shards) // MEASURED_CLIPS)]
    targets = [labels.read(shards[clip], clip)[LATENTS] for clip in measured]
    teacher = NoTeacher(targets[0].shape)
    stats = LatentStats.of(targets)
    decoder = new_decoder(
        student,
        teacher.latent_shape,
        params.distillation,
        frames=params.clips.frames,
        seed=params.training.seed,
    )
    distilled = math.ceil(params.distillation.until_fraction * params.training.steps)
    return DistillationSetup(
        labels=labels,
        distilled_steps=distilled,
        distillation=Distillation(
            decoder,
            teacher,
            stats,
            (),
            latents=True,
            layer=params.distillation.student_layer,
            regions=new_region_decoder(
                student, teacher.latent_shape, params.distillation, seed=params.training.seed
            ),
        ),
        weights=TermWeights(params.distillation.preset, AutoBalance.of(params.distillation)),
        phases=Phases(
            warmup_steps=round(params.distillation.warmup_fraction * params.training.steps),
            warmup_sft_weight=params.distillation.warmup_sft_weight,
            distilled_steps=distilled,
        ),
    )


@contextmanager
def from_frame_differences(run: ControlRun) -> Iterator[Student]:
    """Train the control."""
    student = load(run.base)
    fit(run, student, difference_setup(run, student))
    yield student
