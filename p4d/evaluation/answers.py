"""Reading an answer out of generated text: a letter, or the text of an option.

Video-language models often reply with the value instead of the letter, so both count; a parser of
letters alone scored a published checkpoint 20 % where it answered 47 % right. What cannot be read
is reported as such, never replaced by a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from p4d.students.prompt import LETTERS

_LEADING_LETTER = re.compile(rf"^\(?([{LETTERS}])\)?(?:[.):]|\s*$|\n)")
_SAID_LETTER = re.compile(
    rf"\b(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([{LETTERS}])\)?(?![\w'])"
)
_BRACKETED_LETTER = re.compile(rf"\(([{LETTERS}])\)")


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
