"""Variants of the base student: an untrained encoder, no time encoding."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.distillation.plan import BASE, NEW_ENCODER, UNTIMED
from p4d.artifacts import read_json, write_json
from p4d.students.model.adapters import StudentAdapter
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import load, save_student
from p4d.students.training.new_encoder import draw_encoder

Change = Callable[[StudentAdapter], None]


def make_bases(work: Path) -> None:
    """Make the variants of `base_student` that are missing."""
    for name, change in _CHANGES.items():
        if (work / name).is_dir():
            continue
        student = load(work / BASE)
        change(student.adapter)
        unfinished = work / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        save_student(unfinished, student.adapter.model, student.tokenizer)
        write_json(unfinished / "card.json", read_json(work / BASE / "card.json"))
        card = read_json(work / BASE / "card.json")
        card["visual_tokens"] = load(unfinished).visual_tokens(int(card["frames"]))
        write_json(unfinished / "card.json", card)
        unfinished.rename(work / name)


def _untrained_encoder(adapter: StudentAdapter) -> None:
    draw_encoder(adapter, seed=0)


def _without_time(adapter: StudentAdapter) -> None:
    dataclasses.replace(PromptSettings.of(adapter.model), time="none").store(adapter.model)


def _untimed(change: Change) -> Change:
    def both(adapter: StudentAdapter) -> None:
        change(adapter)
        _without_time(adapter)

    return both


_CHANGES: Mapping[str, Change] = {
    NEW_ENCODER: _untrained_encoder,
    BASE + UNTIMED: _without_time,
    NEW_ENCODER + UNTIMED: _untimed(_untrained_encoder),
}
