"""Reads an answer from generated text: a letter, the text of an option, or a number.

Video-language models often reply with the value instead of the letter, so both count: a parser of
letters alone scored a published checkpoint 20 % where 47 % of its answers were correct. Unparsed
text is reported as such and never replaced by a guess. The parsers of published evaluations are in
`p4d.evaluation.benchmarks.published_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from p4d.students.model.chat import LETTERS

_LEADING_LETTER = re.compile(rf"^\(?([{LETTERS}])\)?(?:[.):]|\s*$|\n)")
_NAMED_LETTER = re.compile(
    rf"\b(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([{LETTERS}])\)?(?![\w'])"
)
_BRACKETED_LETTER = re.compile(rf"\(([{LETTERS}])\)")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def parse_answer(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that `text` names, or None.

    Tried in order: the whole text is one option; it starts with a letter ("B", "(B)", "B. left");
    it contains "answer is B" or "(B)"; exactly one option occurs in it as whole words. A letter
    that is not offered names nothing, and neither do two bracketed letters.
    """
    stripped = text.strip()
    plain = _plain(stripped)
    same = [index for index, option in enumerate(options) if _plain(option) == plain]
    if len(same) == 1 and plain:
        return same[0]
    if len(plain) == 1 and plain.upper() in LETTERS:
        return _offered(plain.upper(), options)
    bracketed = set(_BRACKETED_LETTER.findall(stripped))
    if len(bracketed) > 1:
        return None
    for pattern in (_LEADING_LETTER, _NAMED_LETTER):
        found = pattern.search(stripped)
        if found:
            return _offered(found.group(1), options)
    if bracketed:
        return _offered(bracketed.pop(), options)
    return _only_option_in(plain, options)


def parse_number(text: str) -> float | None:
    """Return the number that `text` is or contains; None if it contains none or several."""
    found = _NUMBER.findall(text.replace(",", ""))
    return float(found[0]) if len(found) == 1 else None


def _offered(letter: str, options: Sequence[str]) -> int | None:
    index = LETTERS.index(letter)
    return index if index < len(options) else None


def _plain(text: str) -> str:
    """Lower case, single spaces, without closing punctuation."""
    return " ".join(text.lower().split()).strip(" .,;:!\"'")


def _only_option_in(plain: str, options: Sequence[str]) -> int | None:
    """Return the only option that occurs in the text.

    An option inside a longer option that also occurs does not count.
    """
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
