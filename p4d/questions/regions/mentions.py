"""Replaces names of objects in free questions by marks (R4D-Bench's matching, by rules).

It is for questions that were written for a video and not composed from facts: the names in the text
become `<obj_k>`. The paper uses a language model for this, and people check the result. These rules
leave unclear mentions unchanged, and people can check the rest with `p4d review`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A question with marks instead of names.

    Attributes:
        question: the text, with `<obj_k>` for each clear name.
        marks: the marks in it, in order of appearance; empty if nothing matched.
        unclear: mentions that match several regions, or none.
    """

    question: str
    marks: tuple[int, ...]
    unclear: tuple[str, ...]


def keywords_in(question: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the question mentions, in the singular, in order of appearance."""
    pattern = _pattern(names)
    if pattern is None:
        return ()
    singular = _singular(names)
    found = [singular[match[0].lower()] for match in pattern.finditer(question)]
    return tuple(dict.fromkeys(found))


def match_marks(question: str, name_of_mark: Mapping[int, str], names: Sequence[str]) -> Matched:
    """Replace names by marks.

    A plural stands for all regions of the name; a singular is clear only if one region has it.

    Args:
        question: the text.
        name_of_mark: names of the marked regions.
        names: all names to look for, marked or not.
    """
    pattern = _pattern(names)
    marks: list[int] = []
    unclear: list[str] = []
    if pattern is None:
        return Matched(question=question, marks=(), unclear=())
    singular = _singular(names)

    def replace(match: re.Match[str]) -> str:
        said = match[0].lower()
        name = singular[said]
        bearers = [mark for mark, of in sorted(name_of_mark.items()) if of.lower() == name]
        plural = said != name
        if not bearers or (len(bearers) > 1 and not plural):
            unclear.append(match[0])
            return match[0]
        marks.extend(mark for mark in bearers if mark not in marks)
        *most, last = [f"<obj_{mark}>" for mark in bearers]
        return f"{', '.join(most)} and {last}" if most else last

    text = pattern.sub(replace, question)
    return Matched(question=text, marks=tuple(marks), unclear=tuple(unclear))


def _singular(names: Sequence[str]) -> dict[str, str]:
    return {form: name.lower() for name in names for form in (_plural(name.lower()), name.lower())}


def _plural(name: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", name):
        return f"{name}es"
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}s"


def _pattern(names: Sequence[str]) -> re.Pattern[str] | None:
    forms = sorted(_singular(names), key=lambda form: (-len(form), form))
    if not forms:
        return None
    # Longest first, so that "red box" does not match as "box".
    return re.compile(rf"\b({'|'.join(map(re.escape, forms))})\b", re.IGNORECASE)
