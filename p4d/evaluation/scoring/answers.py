"""Reading an answer out of generated text: a letter, or the text of an option.

Video-language models often reply with the value instead of the letter, so both count; a parser of
letters alone scored a published checkpoint 20 % where it answered 47 % right. What cannot be read
is reported as such, never replaced by a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from p4d.students.model.chat import LETTERS

_LEADING_LETTER = re.compile(rf"^\(?([{LETTERS}])\)?(?:[.):]|\s*$|\n)")
_SAID_LETTER = re.compile(
    rf"\b(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([{LETTERS}])\)?(?![\w'])"
)
_BRACKETED_LETTER = re.compile(rf"\(([{LETTERS}])\)")
_SAID_BEFORE = re.compile(
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
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def parse_answer(text: str, options: Sequence[str]) -> int | None:
    """Index of the option that `text` names, or None.

    Tried in order: the whole text is one option; it starts with a letter ("B", "(B)", "B. left");
    it says "answer is B" or contains "(B)"; exactly one option occurs in it as whole words.
    A letter that is not offered names nothing, and neither do two bracketed letters.
    """
    said = text.strip()
    plain = _plain(said)
    same = [index for index, option in enumerate(options) if _plain(option) == plain]
    if len(same) == 1 and plain:
        return same[0]
    if len(plain) == 1 and plain.upper() in LETTERS:
        return _offered(plain.upper(), options)
    bracketed = set(_BRACKETED_LETTER.findall(said))
    if len(bracketed) > 1:
        return None
    for pattern in (_LEADING_LETTER, _SAID_LETTER):
        found = pattern.search(said)
        if found:
            return _offered(found.group(1), options)
    if bracketed:
        return _offered(bracketed.pop(), options)
    return _only_option_in(plain, options)


def first_letter(text: str, options: int) -> int | None:
    """R4D-Bench's rule: after a phrase like "the answer is", the first "(X)", else the first X."""
    said = _SAID_BEFORE.sub("", text.strip())
    letters = LETTERS[:options]
    found = re.search(rf"\(([{letters}])\)", said) or re.search(rf"\b([{letters}])\b", said)
    return LETTERS.index(found.group(1)) if found else None


def last_or_named_letter(text: str, options: int) -> int | None:
    """STI-Bench's rule: six ways to name a letter, in turn; else the last character."""
    for pattern in _NAMED_LETTERS:
        found = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
        if found:
            return _below(found.group(1).upper(), options)
    return _below(text.strip()[-1:], options)


def leading_letter(text: str, options: int) -> int | None:
    """The rule of the lmms-eval tasks of VLM4D and VSTI-Bench: the first word is the letter."""
    words = text.split()
    return _below(words[0].rstrip(".").upper(), options) if words else None


def parse_number(text: str) -> float | None:
    """The number that `text` is or contains; None if it contains none or several."""
    found = _NUMBER.findall(text.replace(",", ""))
    return float(found[0]) if len(found) == 1 else None


def _below(letter: str, options: int) -> int | None:
    return LETTERS.index(letter) if len(letter) == 1 and letter in LETTERS[:options] else None


def _offered(letter: str, options: Sequence[str]) -> int | None:
    index = LETTERS.index(letter)
    return index if index < len(options) else None


def _plain(text: str) -> str:
    """Lower case, single spaces, without closing punctuation."""
    return " ".join(text.lower().split()).strip(" .,;:!\"'")


def _only_option_in(plain: str, options: Sequence[str]) -> int | None:
    """The option that occurs in the text; one inside a longer one that occurs does not count."""
    present = {
        index: _plain(option)
        for index, option in enumerate(options)
        if _plain(option)
        and re.search(rf"(?<![\w.]){re.escape(_plain(option))}(?![\w]|\.\d)", plain)
    }
    outer = [
        index
        for index, option in present.items()
        if not any(option != other and option in other for other in present.values())
    ]
    return outer[0] if len(outer) == 1 else None
