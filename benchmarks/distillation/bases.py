"""Variants of the base student: other tubelets, an untrained encoder, no time encoding."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.distillation.plan import BASE, LONG_TUBELETS, NEW_ENCODER, NEW_LONG, UNTIMED
from p4d.artifacts import read_json, write_json
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.students.model.adapters.qwen_vl_network import QwenVL
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import load, save_student

FRAMES = 8
"""Frames of a long tubelet: a whole clip."""


def make_bases(work: Path) -> None:
    """Make the variants of `base_student` that are missing."""
    for name, change in _CHANGES.items():
        if (work / name).is_dir():
            continue
        student = load(work / BASE)
        model: Any = student.adapter.model
        change(model)
        unfinished = work / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        save_student(unfinished, model, student.tokenizer)
        write_json(unfinished / "card.json", read_json(work / BASE / "card.json"))
        card = read_json(work / BASE / "card.json")
        card["visual_tokens"] = load(unfinished).visual_tokens(int(card["frames"]))
        write_json(unfinished / "card.json", card)
        unfinished.rename(work / name)


def inflate_tubelets(model: QwenVL, frames: int) -> None:
    """Let the patch embedding cover `frames` frames, so that one token shows a longer motion.

    The kernel is repeated along time and divided by the number of repetitions, as Carreira and
    Zisserman (2017) inflate kernels. A clip in which nothing moves is embedded as before, so the
    base keeps what it knows about stills. Nothing is trained.

    Raises:
        ContractError: the frames are no multiple of those of the model.
    """
    embed: Any = model.model.visual.patch_embed
    before: int = model.config.vision_config.temporal_patch_size
    if frames % before:
        raise ContractError(f"tubelets of {frames} frames are no multiple of {before}")
    old, times = embed.proj, frames // before
    kernel = (frames, *old.kernel_size[1:])
    new = nn.Conv3d(
        old.in_channels, old.out_channels, kernel, stride=kernel, bias=old.bias is not None
    )
    with torch.no_grad():
        new.weight.copy_(old.weight.repeat(1, 1, times, 1, 1) / times)
        if new.bias is not None:
            new.bias.copy_(old.bias)
    embed.proj = new
    embed.temporal_patch_size = frames
    model.config.vision_config.temporal_patch_size = frames


def _untrained_encoder(model: QwenVL) -> None:
    with deterministic(1, seed=0):
        drawn: Any = type(model)(model.config)
    model.model.visual.load_state_dict(drawn.model.visual.state_dict())


def _without_time(model: QwenVL) -> None:
    dataclasses.replace(PromptSettings.of(model), time="none").store(model)


def _longer(model: QwenVL) -> None:
    inflate_tubelets(model, FRAMES)


def _longer_and_untrained(model: QwenVL) -> None:
    _longer(model)  # first, so that the kernel of a whole clip is drawn, not inflated
    _untrained_encoder(model)


def _untimed(change: Callable[[QwenVL], None]) -> Callable[[QwenVL], None]:
    def both(model: QwenVL) -> None:
        change(model)
        _without_time(model)

    return both


_CHANGES: Mapping[str, Callable[[QwenVL], None]] = {
    LONG_TUBELETS: _longer,
    NEW_ENCODER: _untrained_encoder,
    NEW_LONG: _longer_and_untrained,
    BASE + UNTIMED: _without_time,
    LONG_TUBELETS + UNTIMED: _untimed(_longer),
    NEW_ENCODER + UNTIMED: _untimed(_untrained_encoder),
    NEW_LONG + UNTIMED: _untimed(_longer_and_untrained),
}
