"""Texts with the answer that a person reads in them: forms times options, replies, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
NOTHING = "states nothing"

OPTION_SETS: Mapping[str, tuple[str, ...]] = {
    "directions": ("left", "right", "towards the camera", "away from the camera"),
    "with the premise denied": (
        "clockwise",
        "not spinning",
        "counter-clockwise",
        "there is no car",
    ),
    "counts": ("0", "3", "1", "2"),
    "speeds": ("3.74 m/s", "0.75 m/s", "-0.40 m/s", "14.97 m/s", "7.48 m/s"),
    "metres": ("1.5 m", "0.5 m", "15 m", "5 m"),
    "sentences": (
        "The car turns left, then stops.",
        "A person walks behind the bus.",
        "The camera moves backwards.",
        "Nothing moves.",
    ),
    "regions": ("<obj_1>", "<obj_2>", "<obj_3>", "both"),
}


@dataclass(frozen=True)
class Case:
    """One text, its options, and the index that it states (None: nothing)."""

    form: str
    text: str
    options: tuple[str, ...]
    index: int | None


REPLY_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "directions": ("left", "right", "not moving", "towards the camera"),
    "counts": ("0", "1", "2", "3"),
}


def cases() -> Iterator[Case]:
    """Every form with every option of every set."""
    for form, templates in _yaml("choice_forms.yaml").items():
        for template in templates:
            yield from _written(form, template)


def replies() -> Iterator[Case]:
    """Whole replies, written one by one."""
    for name, rows in _yaml("replies.yaml").items():
        for text, index in rows:
            yield Case("whole replies", text, REPLY_OPTIONS[name], index)


def numbers() -> list[tuple[str, float | None]]:
    """Replies to numeric questions, with the number that each states, or None."""
    return [(text, value) for text, value in _yaml("numbers.yaml")]


def _yaml(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def _written(form: str, template: str) -> Iterator[Case]:
    for options in OPTION_SETS.values():
        for index in range(len(options)):
            count = len(options)
            wrong, other = (index + 1) % count, (index + 2) % count
            letter = "ABCDE"[index]
            text = template.replace("$LETTER", "").format(
                L=letter,
                l=letter.lower(),
                T=options[index],
                W="ABCDE"[wrong],
                V="ABCDE"[other],
                X=options[wrong],
                Y=options[other],
                FULL=chr(ord("Ａ") + index),
                CIRCLED=chr(ord("Ⓐ") + index),
                BOLD=chr(ord("𝐁") - 1 + index),
            )
            yield Case(form, text, options, None if form == NOTHING else index)
            if template == text:
                return
