"""What pages need beside a question's row: its text in parts, and the colours of marks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from p4d.questions.regions.marks import COLOURS_RGB


def question_parts(question: str) -> list[str | int]:
    """The text around `<obj_k>`, and k in its place."""
    parts = re.split(r"<obj_(\d+)>", question)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def mark_colour(mark: int) -> tuple[int, int, int]:
    """The colour of a mark, as it is drawn."""
    return COLOURS_RGB[(mark - 1) % len(COLOURS_RGB)]


def basis(has_truth: bool, teachers: Iterable[str]) -> str:
    """What the facts of a question were measured from: truth, or labels of named teachers."""
    if has_truth:
        return "exact truth"
    names = dict.fromkeys(teachers)
    exact = names.pop("exact", "exact") is None
    labels = f"labels of {' and '.join(sorted(names)) or 'teachers'}"
    return f"exact truth and {labels}" if exact else labels
