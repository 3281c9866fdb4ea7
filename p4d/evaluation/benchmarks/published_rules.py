"""Prompts and letter parsers of the published evaluations."""

from __future__ import annotations

import re

from p4d.evaluation.benchmarks.item import BenchmarkItem, PublishedRules
from p4d.students.model.chat import LETTERS

FRAMES = "These are frames of a video."
LETTER_PLEASE = "Answer with the option's letter from the given choices directly."
WORD_PLEASE = "Please answer the question using a single word or phrase."

_ANSWER_PHRASE = re.compile(
    r"^(?:(?:the|my)\s+)?(?:(?:best|correct|right|final)\s+)?(?:answer|option|choice)"
    r"(?:\s+is)?\s*[:=]?\s*",
    re.IGNORECASE,
)
_NAMED_LETTERS = (
    rf"\(([{LETTERS}])\)",
    rf"ans\s*=\s*['\"]?([{LETTERS}])",
    rf"answer\s*[:=]\s*([{LETTERS}])",
    rf"option\s+([{LETTERS}])",
    rf"\b([{LETTERS}])\s*(?:is|was)\s*correct",
    rf"\b([{LETTERS}])[.)]\s*$",
)


def lettered(options: tuple[str, ...], pattern: str) -> list[str]:
    """Return one line per option; `pattern` has `{letter}` and `{text}`."""
    return [
        pattern.format(letter=letter, text=text)
        for letter, text in zip(LETTERS, options, strict=False)
    ]


def frames_prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the lmms-eval tasks of VLM4D and VSTI-Bench."""
    if item.kind == "numeric":
        return "\n".join([FRAMES, item.question, WORD_PLEASE])
    options = lettered(item.options, "{letter}. {text}")
    return "\n".join([FRAMES, item.question, "Options:", *options, LETTER_PLEASE])


def first_letter(text: str, options: int) -> int | None:
    """R4D-Bench's rule: after a phrase like "the answer is", the first "(X)", else the first X."""
    answer = _ANSWER_PHRASE.sub("", text.strip())
    letters = LETTERS[:options]
    found = re.search(rf"\(([{letters}])\)", answer) or re.search(rf"\b([{letters}])\b", answer)
    return LETTERS.index(found.group(1)) if found else None


def last_or_named_letter(text: str, options: int) -> int | None:
    """STI-Bench's rule: six patterns that name a letter, in turn; else the last character."""
    for pattern in _NAMED_LETTERS:
        found = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
        if found:
            return _offered(found.group(1).upper(), options)
    return _offered(text.strip()[-1:], options)


def leading_letter(text: str, options: int) -> int | None:
    """The rule of the lmms-eval tasks of VLM4D and VSTI-Bench: the first word is the letter."""
    words = text.split()
    return _offered(words[0].rstrip(".").upper(), options) if words else None


def _offered(letter: str, options: int) -> int | None:
    return LETTERS.index(letter) if len(letter) == 1 and letter in LETTERS[:options] else None


LMMS_EVAL = PublishedRules(prompt=frames_prompt, letter_of=leading_letter, unparsed="wrong")
"""The rules of the lmms-eval tasks, for VLM4D and VSTI-Bench."""
