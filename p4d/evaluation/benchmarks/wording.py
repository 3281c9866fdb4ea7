"""Prompts as the public evaluations word them."""

from __future__ import annotations

from p4d.evaluation.benchmarks.item import BenchmarkItem
from p4d.students.model.chat import LETTERS

FRAMES = "These are frames of a video."
LETTER_PLEASE = "Answer with the option's letter from the given choices directly."
WORD_PLEASE = "Please answer the question using a single word or phrase."


def lettered(options: tuple[str, ...], pattern: str) -> list[str]:
    """One line per option; `pattern` has `{letter}` and `{text}`."""
    return [
        pattern.format(letter=letter, text=text)
        for letter, text in zip(LETTERS, options, strict=False)
    ]


def frames_prompt(item: BenchmarkItem) -> str:
    """VLM4D and VSTI-Bench, as their lmms-eval tasks ask."""
    if item.kind == "numeric":
        return "\n".join([FRAMES, item.question, WORD_PLEASE])
    options = lettered(item.options, "{letter}. {text}")
    return "\n".join([FRAMES, item.question, "Options:", *options, LETTER_PLEASE])
