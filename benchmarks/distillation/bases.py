"""Variants of the base student: an untrained encoder, no time encoding."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.distillation.plan import BASE, NEW_ENCODER, UNTIMED
from p4d.artifacts import read_json, write_json
from p4d.determinism import deterministic
from p4d.students.model.adapters.qwen_vl_network import QwenVL
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import load, save_student


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


def _untrained_encoder(model: QwenVL) -> None:
    with deterministic(1, seed=0):
        drawn: Any = type(model)(model.config)
    model.model.visual.load_state_dict(drawn.model.visual.state_dict())


def _without_time(model: QwenVL) -> None:
    dataclasses.replace(PromptSettings.of(model), time="none").store(model)


def _untimed(change: Callable[[QwenVL], None]) -> Callable[[QwenVL], None]:
    def both(model: QwenVL) -> None:
        change(model)
        _without_time(model)

    return both


_CHANGES: Mapping[str, Callable[[QwenVL], None]] = {
    NEW_ENCODER: _untrained_encoder,
    BASE + UNTIMED: _without_time,
    NEW_ENCODER + UNTIMED: _untimed(_untrained_encoder),
}
