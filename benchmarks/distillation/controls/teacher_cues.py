"""SFT that is given what the teacher is given: the hand-written local flow of each frame.

The expert reads pictures and local flow (p4d/teachers/expert4d/local_flow.py); the student reads
pictures. If SFT with these five channels reached P4D, what P4D transfers would be the flow, not the
expert. The channels are cut into the patches of the encoder, and a linear layer that begins at zero
adds them to the patch embedding. Each answer needs the flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.distillation.controls.fitting import ControlRun, fit
from p4d.errors import ContractError
from p4d.students.model.adapters.picture_format import tubelet_patches
from p4d.students.model.adapters.qwen_vl import QwenVLAdapter
from p4d.students.model.student import Student, load
from p4d.teachers.expert4d import local_flow


class CueEmbedding(nn.Module):
    """Patches of local flow to the width of the patch embedding; zero at the start."""

    def __init__(self, patch_px: int, frames: int, merge: int, width: int) -> None:
        super().__init__()
        self._patch_px, self._frames, self._merge = patch_px, frames, merge
        self.project = nn.Linear(local_flow.CHANNELS * frames * patch_px**2, width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, frames_bthw3: Tensor) -> Tensor:
        """u8 `[B, T, S, S, 3]` to `[B * t * h * w, D]`, in the order of the encoder's patches."""
        pictures = (frames_bthw3.float() / 127.5 - 1).permute(0, 1, 4, 2, 3)
        halves = local_flow.local_flow(pictures)
        rows = []
        for clip in halves:
            whole = functional.interpolate(clip, scale_factor=2, mode="nearest")
            cut, _ = tubelet_patches(
                whole, patch_px=self._patch_px, frames=self._frames, merge=self._merge
            )
            rows.append(cut)
        embedded: Tensor = self.project(torch.cat(rows))
        return embedded


@contextmanager
def cues_added(adapter: QwenVLAdapter, cues: CueEmbedding) -> Iterator[None]:
    """Make the encoder add the cues of a clip to its patches, inside the context.

    Raises:
        ContractError: the patches of a batch are not those of its clips.
    """
    own: Any = adapter
    encode, of_batch = own.encode, []

    def encode_with_cues(frames_bfhw3: Tensor, times_s: Tensor, *rest: Any) -> dict[str, Any]:
        of_batch.append(cues(torch.as_tensor(frames_bfhw3)))
        try:
            encoded: dict[str, Any] = encode(frames_bfhw3, times_s, *rest)
        finally:
            of_batch.clear()
        return encoded

    def add(module: nn.Module, inputs: Any, embedded: Tensor) -> Tensor:
        del module, inputs
        (added,) = of_batch
        if added.shape != embedded.shape:
            raise ContractError(f"cues {tuple(added.shape)} for patches {tuple(embedded.shape)}")
        return embedded + added

    hook = adapter.encoder().patch_embed.register_forward_hook(add)
    own.encode = encode_with_cues
    try:
        yield
    finally:
        own.encode = encode
        hook.remove()


@contextmanager
def with_teacher_cues(run: ControlRun) -> Iterator[Student]:
    """Train the control; it sees the cues inside the context.

    Raises:
        ContractError: the student has another encoder than those of Qwen-VL.
    """
    student = load(run.base)
    adapter = student.adapter
    if not isinstance(adapter, QwenVLAdapter):
        raise ContractError(f"{run.base}: cues are added to encoders of Qwen-VL only")
    vision: Any = adapter.model.config.vision_config
    cues = CueEmbedding(
        vision.patch_size, vision.temporal_patch_size, vision.spatial_merge_size, vision.hidden_size
    )
    adapter.model.model.add_module("cue_embedding", cues)  # a part of the student: it is trained
    with cues_added(adapter, cues):
        fit(run, student)
        yield student
