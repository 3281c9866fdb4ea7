"""The control whose encoder is replaced by the teacher: the value of the teacher's features.

The student's encoder is replaced by the expert and one linear layer. The result bounds what
distillation into this student can bring, and shows whether the student can use such features. Each
answer needs the expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.distillation.controls.fitting import ControlRun, fit
from p4d.students.distillation.perception import LatentStats
from p4d.students.model.adapters.protocol import StudentAdapter
from p4d.students.model.student import Student, load
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.network import Expert4D


class ExpertEncoder(nn.Module):
    """Encodes frames as visual tokens with the expert, in place of the student's encoder."""

    def __init__(self, expert: Expert4D, stats: LatentStats, slots: int, width: int) -> None:
        super().__init__()
        self._expert, self._stats, self._slots = [expert], [stats], slots
        config = expert.config
        inputs = len(config.hooks) * config.width * config.tubelets // slots
        self.project = nn.Linear(inputs, width)

    def forward(self, frames_bthw3: Tensor) -> Tensor:
        """u8 `[B, T, S, S, 3]` to `[B, slots * h * w, D]`."""
        with torch.no_grad():
            latents = self._stats[0].standardise(self._expert[0].encode(frames_bthw3))
        # [B, hooks, tubelets, h, w, D] to [B, slots, h, w, everything of a place in a slot]
        grouped = latents.unflatten(2, (self._slots, -1)).permute(0, 2, 4, 5, 1, 3, 6)
        tokens: Tensor = self.project(grouped.flatten(4)).flatten(1, 3)
        return tokens


@contextmanager
def _encoding_with(adapter: StudentAdapter, expert_encoder: ExpertEncoder) -> Iterator[None]:
    """Make the adapter encode clips (not stills) with `expert_encoder`, inside the context."""
    own: Any = adapter
    encode = own.encode

    def encode_with_expert_encoder(
        frames_bfhw3: Tensor, times_s: Tensor, *rest: Any
    ) -> dict[str, Any]:
        encoded: dict[str, Any] = encode(frames_bfhw3, times_s, *rest)
        encoded["mm_encoder_outputs"]["video"].pooler_output = tuple(expert_encoder(frames_bfhw3))
        return encoded

    own.encode = encode_with_expert_encoder
    try:
        yield
    finally:
        own.encode = encode


@contextmanager
def with_teacher_features(run: ControlRun) -> Iterator[Student]:
    """Train the control; it encodes with the expert inside the context."""
    student = load(run.base)
    expert = expert4d.load(run.work / "expert")
    slots = run.params.clips.frames // student.adapter.frames_per_slot
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.params.training.seed)
        expert_encoder = ExpertEncoder(
            expert, LatentStats.load(run.work / "expert"), slots, student.adapter.hidden_width
        )
    # A part of the student, so that it is trained.
    student.adapter.model.model.add_module("expert_encoder", expert_encoder)
    with _encoding_with(student.adapter, expert_encoder):
        fit(run, student)
        yield student
