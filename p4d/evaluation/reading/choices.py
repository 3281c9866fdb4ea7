"""Reads which option a generated text states: by its letter, its text, or both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from p4d.evaluation.reading import statements
from p4d.evaluation.reading.numbers import quantity_of
from p4d.evaluation.reading.wording import (
    BOX_END,
    BOX_START,
    after_reasoning,
    normalised,
    squeezed,
)
from p4d.students.model.chat import LETTERS

AMBIGUOUS = -1
"""A statement that names two options, or one that is not offered."""

SHORT_REPLY_WORDS = 25
"""A reply of at most this many words may name its option anywhere; a longer one, at its end."""

_OPEN, _CLOSE = r"[\s\"'(\[{<]*", r"[\s\"')\]}>]*"
_BARE_LETTER = re.compile(rf"^{_OPEN}([A-Ea-e]){_CLOSE}[.:,;!)]*{_CLOSE}$")
_NAMED_LETTER = re.compile(
    rf"^(?:the\s+)?(?:option|choice|answer|letter|选项|選項)\s*{_OPEN}([A-Ea-e]){_CLOSE}[.:,;!)]*$",
    re.IGNORECASE,
)
_LETTER_AND_TEXT = re.compile(
    r"^[\"'(\[{<]*([A-Ea-e])(?:([\"')\]}>]*\s*[.):,\]]+|[\"')\]}>]*\s+[-–—]+|[\"')\]}>]+)\s*|\s+)"
    r"(\S.*)$",
    re.DOTALL,
)
_LISTED_LETTER = re.compile(
    r"(?:^|(?<![Oo]ption)(?<![Cc]hoice)(?<![Aa]nswer)\s)[(\[]?([A-E])[.):\]]+\s"
)
_LIST_LINE = re.compile(r"\s*[(\[]?([A-E])(?:[.):\]]+\s|[.)\]]*\s*$)")
_LETTER_THEN = re.compile(
    r"^[\s\"'(\[{<]*([A-E])(?=[\s\"')\]}>]*(?:$|[.,;:!\n—–]|-\s|\((?!\s*[A-E]\s*\))|because\b|since\b"
    r"|as\b|which\b|with\b|for\b|given\b|due\b|based\b|indicating\b|meaning\b|is\b|was\b|and\b|or\b"
    r"|/|&|not\b|but\b|\)))",
)
_LOWER_LETTER_THEN = re.compile(
    r"^[\s\"']*(?:\(\s*([a-e])\s*\)|([a-e])(?=[\s\"']*(?:[.)]*\s*$|\)\s)))"
)
_SENTENCE_END = re.compile(r"(?<!\d)[.](?=\s|$)|(?<=\d)[.](?=\s+[A-Z\n]|\s*$)|[!?](?=\s|$)|\n")


@dataclass(frozen=True)
class _Statement:
    at: int
    end: int
    index: int


def read_choice(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that the text states last, or None.

    None if the text states none, states several or one that is not offered, or was cut inside its
    reasoning.

    Args:
        text: as generated, with or without reasoning.
        options: at most five, in the order of their letters.
    """
    final = after_reasoning(text)
    if final is None or not options:
        return None
    found = _Reader(tuple(options)).last_stated(normalised(final))
    return None if found is None or found == AMBIGUOUS else found


class _Reader:
    """Reads normalised text against the options of one question."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self._texts = [normalised(option) for option in options]
        self._keys = [squeezed(text) for text in self._texts]
        self._patterns = [_contained(text) for text in self._texts]
        self._quantities = [quantity_of(text) for text in self._texts]

    def last_stated(self, shown: str) -> int | None:
        """Return the index of the last stated option, `AMBIGUOUS`, or None."""
        if not shown:
            return None
        whole = None if BOX_START in shown else self._alone(shown)
        if whole is not None and (whole != AMBIGUOUS or "\n" not in shown):
            return whole
        stated = sorted(self._explicit(shown), key=lambda one: (one.at, one.end))
        if stated:
            last = stated[-1]
            if statements.RETRACTED_AFTER.search(shown, last.end):
                return AMBIGUOUS
            return last.index
        return self._implied(shown)

    # --- one answer alone -------------------------------------------------------------------------

    def _alone(self, value: str) -> int | None:
        """Return the option that a text is; `AMBIGUOUS` if its letter and text differ."""
        value = value.strip()
        by_text = self._equal(value)
        by_letter = None
        for pattern in (_BARE_LETTER, _NAMED_LETTER):
            if by_letter is None and (found := pattern.match(value)):
                by_letter = self._offered(found.group(1))
        if by_text is not None or by_letter is not None:
            both = {index for index in (by_text, by_letter) if index is not None}
            return both.pop() if len(both) == 1 else AMBIGUOUS
        return self._letter_with_text(value)

    def _letter_with_text(self, value: str) -> int | None:
        found = _LETTER_AND_TEXT.match(value)
        if not found:
            return None
        letter, delimiter, rest = found.groups()
        index = self._offered(letter)
        same = self._equal(rest.strip().strip("()"))
        if same is not None:
            return same if same == index else AMBIGUOUS
        if not delimiter or (letter.islower() and delimiter.strip() != ")"):
            return None
        others = {found.group(1) for found in _LISTED_LETTER.finditer(rest)} - {letter.upper()}
        listed = re.match(r"[\"'(\[]*[A-Ea-e][\"')\]]*(?:[.,):]|\s*$)", rest)
        if (
            others
            or listed
            or statements.DENIED_AFTER.match(rest)
            or statements.ANOTHER_AFTER.match(rest)
        ):
            return AMBIGUOUS
        started = [k for k, key in enumerate(self._keys) if key and squeezed(rest).startswith(key)]
        if started and index not in started:
            return AMBIGUOUS
        return index

    def _equal(self, value: str) -> int | None:
        """Return the option whose text, or whose number and unit, the value is."""
        key = squeezed(value)
        same = [index for index, other in enumerate(self._keys) if other == key and key]
        if len(same) == 1:
            return same[0]
        given = quantity_of(value)
        if same or given is None:
            return None
        equal = [
            index
            for index, offered in enumerate(self._quantities)
            if offered is not None and offered.is_same(given)
        ]
        return equal[0] if len(equal) == 1 else None

    def _offered(self, letter: str) -> int:
        index = LETTERS.find(letter.upper())
        return index if 0 <= index < len(self._texts) else AMBIGUOUS

    # --- statements -------------------------------------------------------------------------------

    def _explicit(self, shown: str) -> Iterator[_Statement]:
        yield from self._boxes(shown)
        plain = shown.replace(BOX_START, " ").replace(BOX_END, " ")
        yield from self._phrases(plain)
        yield from self._correct(plain)
        yield from self._lines(plain)

    def _boxes(self, shown: str) -> Iterator[_Statement]:
        for found in re.finditer(f"{BOX_START}([^{BOX_START}{BOX_END}]*)({BOX_END}|$)", shown):
            content, closed = found.group(1).strip(), bool(found.group(2))
            if not content:
                continue
            index = self._alone(content)
            if index is None and closed:
                index = self.last_stated(content)
            if not closed and index is not None and self._may_go_on(content):
                index = AMBIGUOUS
            yield _Statement(found.start(), found.end(), AMBIGUOUS if index is None else index)

    def _may_go_on(self, content: str) -> bool:
        """Return whether a text that was cut may have become another option's text."""
        key = squeezed(content)
        return sum(other.startswith(key) for other in self._keys) > int(key in self._keys)

    def _phrases(self, plain: str) -> Iterator[_Statement]:
        for pattern, any_value in ((statements.ANSWER_IS, True), (statements.DECISION, False)):
            for found in pattern.finditer(plain):
                if self._is_no_statement(plain, found.start(), found.end()):
                    continue
                before = plain[_sentence_start(plain, found.start()) : found.start()]
                if not any_value and statements.DENIED_BEFORE.search(before):
                    continue
                value_at, value = _value_at(plain, found.end(), next_line=any_value)
                index = self._stated(value, any_value=any_value)
                if index is not None:
                    end = value_at + (2 if _LETTER_THEN.match(value) else len(value))
                    if re.match(r"[.,]?\s*(?:or|and/or)\b", plain[end:], re.IGNORECASE):
                        index = AMBIGUOUS
                    yield _Statement(found.start(), end, index)

    def _stated(self, value: str, *, any_value: bool) -> int | None:
        """Return what the rest of a sentence states after "the answer is"."""
        alone = self._alone(value)
        if alone is not None and (any_value or _BARE_LETTER.match(value.strip())):
            return alone
        found = _LETTER_THEN.match(value) or _LOWER_LETTER_THEN.match(value)
        if found:
            after = value[found.end() :]
            if statements.DENIED_AFTER.match(after):
                return None
            if statements.ANOTHER_AFTER.match(after):
                return AMBIGUOUS
            return self._offered(next(letter for letter in found.groups() if letter))
        if re.match(r"[\"'(\[]*[F-Z][\"')\]]*(?:[.,;:!]|\s*$)", value):
            return AMBIGUOUS  # a letter that is not offered
        if not any_value:
            return None
        if statements.DENIED.match(value.lstrip("\"'(")) and self._unique_option(value) is None:
            return None
        only = self._unique_option(value)
        if only is None and (quantity_of(value) is not None or self._several(value)):
            return AMBIGUOUS
        return only

    def _correct(self, plain: str) -> Iterator[_Statement]:
        """Find "B is correct" and "left is the right answer"."""
        for found in statements.IS_CORRECT.finditer(plain):
            start = _sentence_start(plain, found.start())
            subject = plain[start : found.start()]
            if self._is_no_statement(plain, found.start(), found.end(), subject_too=False):
                continue
            letter = re.search(r"(?:^|[\s\"'(\[:,])([A-E])[\"')\]]*$", subject)
            index: int | None = None
            if letter and not statements.is_unstated(subject[: letter.start()]):
                before = subject[: letter.start()]
                two = re.search(r"\b[A-E][\"')\]]*\s*(?:or|and|nor|,|/)\s*(?:option\s*)?$", before)
                index = AMBIGUOUS if two else self._offered(letter.group(1))
                if statements.DENIED.search(before[-24:]):
                    index = None
            elif not letter:
                index = self._equal(
                    re.sub(r"^(?:so|thus|therefore|hence),?\s*", "", subject.strip())
                )
            if index is not None:
                yield _Statement(start, found.end(), index)

    def _lines(self, plain: str) -> Iterator[_Statement]:
        """Find a first or last line that is an answer alone."""
        lines = [(found.start(), found.group()) for found in re.finditer(r"[^\n]*\S[^\n]*", plain)]
        for number in dict.fromkeys((0, len(lines) - 1)) if lines else ():
            at, line = lines[number]
            if _in_list([text for _, text in lines], number):
                continue
            index = self._alone(line)
            if index is not None:
                yield _Statement(at, at + len(line), index)

    def _is_no_statement(
        self, plain: str, start: int, end: int, *, subject_too: bool = True
    ) -> bool:
        before = plain[_sentence_start(plain, start) : start]
        closing = _SENTENCE_END.search(plain, end)
        asked = closing is not None and closing.group() == "?"
        return asked or (subject_too and statements.is_unstated(before))

    # --- mentions ---------------------------------------------------------------------------------

    def _implied(self, shown: str) -> int | None:
        """Return the only option that is mentioned by letter, else by text."""
        plain = shown.replace(BOX_START, " ").replace(BOX_END, " ")
        named: set[int] = set()
        for found in statements.NAMED_OPTION.finditer(plain):
            letter = re.match(r"[\"'(\[]*([A-E])(?![\w'])", plain[found.end() :])
            if not letter:
                continue
            after = plain[found.end() + letter.end() :]
            before = plain[_sentence_start(plain, found.start()) : found.start()]
            if statements.DENIAL.search(before) or statements.DENIED_AFTER.match(after):
                continue
            named.add(self._offered(letter.group(1)))
        for found in statements.BRACKETED.finditer(plain):
            named.add(self._offered(found.group(1)))
        if named:
            return named.pop() if len(named) == 1 and not _is_denied(plain) else AMBIGUOUS
        if len(plain.split()) <= SHORT_REPLY_WORDS:
            return self._unique_option(plain)
        return self._unique_option(_last_sentence(plain))

    def _unique_option(self, text: str) -> int | None:
        """Return the only option whose text occurs, if nothing in the text denies it."""
        present = self._present(text)
        if len(present) != 1:
            return None
        (index,) = present
        return None if statements.DENIAL.search(self._patterns[index].sub(" ", text)) else index

    def _several(self, text: str) -> bool:
        return len(self._present(text)) > 1

    def _present(self, text: str) -> list[int]:
        """Return the options that occur as whole words, longer ones before those inside them."""
        rest, present = text, []
        by_length = sorted(range(len(self._texts)), key=lambda k: -len(self._texts[k]))
        for index in by_length:
            if self._keys.count(self._keys[index]) > 1:
                continue  # equal texts name no single option
            if self._keys[index] and self._patterns[index].search(rest):
                present.append(index)
                rest = self._patterns[index].sub(" \x04 ", rest)
        return present


def _in_list(lines: Sequence[str], number: int) -> bool:
    """Return whether the line before or after has the letter before or after: a list of options."""
    near = lines[max(0, number - 1) : number + 2]
    letters = [ord(found.group(1)) for line in near if (found := _LIST_LINE.match(line))]
    return any(later - earlier == 1 for earlier, later in pairwise(letters))


def _contained(option: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in option.strip(" .,;:!\"'").split())
    after = r"(?![\w/%°²³])(?![.,]\d)(?!-\w)"
    if option.isdigit():
        after += r"(?![.)]\s+\w)"  # "2. The dogs" numbers a line
    return re.compile(rf"(?<![\w.\-+/])(?<!\d,){words or '(?!)'}{after}", re.IGNORECASE)


def _is_denied(text: str) -> bool:
    return bool(statements.DENIAL.search(text))


def _sentence_start(text: str, at: int) -> int:
    start = 0
    for found in _SENTENCE_END.finditer(text, 0, at):
        start = found.end()
    return start


def _value_at(text: str, at: int, *, next_line: bool) -> tuple[int, str]:
    """Return the rest of the sentence from `at`, or the next line if the rest is empty."""
    rest = re.compile(r"[ \t]*").match(text, at)
    start = rest.end() if rest else at
    if next_line and (blank := re.compile(r"\s*\n\s*").match(text, start)):
        start = blank.end()
    closing = _SENTENCE_END.search(text, start)
    end = closing.start() if closing else len(text)
    # "B. left": the letter is not a sentence.
    if closing and closing.group() == "." and len(text[start:end].strip(" \"'(")) <= 1:
        following = _SENTENCE_END.search(text, closing.end())
        end = following.start() if following else len(text)
    return start, text[start:end].strip()


def _last_sentence(text: str) -> str:
    """Return the last sentence of a text that ends with one; empty if the text was cut."""
    text = text.strip()
    if not text or text[-1] not in ".!\"')":
        return ""
    return text[_sentence_start(text, len(text) - 1) :]
