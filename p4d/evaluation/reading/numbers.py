"""Reads the number that a generated text states, with its unit."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from p4d.evaluation.reading import statements
from p4d.evaluation.reading.wording import BOX_END, BOX_START, after_reasoning, normalised

_UNITS = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1.0)),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), ("m", 0.01)),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), ("m", 1e-3)),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), ("m", 1e3)),
    **dict.fromkeys(("ft", "foot", "feet"), ("m", 0.3048)),
    **dict.fromkeys(("in", "inch", "inches"), ("m", 0.0254)),
    **dict.fromkeys(("m²", "sqm", "square meters", "square metres", "square meter"), ("m²", 1.0)),
    **dict.fromkeys(("m/s", "mps", "meters per second", "metres per second"), ("m/s", 1.0)),
    **dict.fromkeys(("km/h", "kmh", "kph", "kilometers per hour"), ("m/s", 1 / 3.6)),
    **dict.fromkeys(("m/s²",), ("m/s²", 1.0)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", 1.0)),
    **dict.fromkeys(("°", "deg", "degree", "degrees"), ("deg", 1.0)),
    **dict.fromkeys(("rad", "radian", "radians"), ("rad", 1.0)),
    "%": ("%", 1.0),
}
_NUMBER_TEXT = (
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s?×\s?10\s?\^?\s?\{?[-+]?\d+\}?|[eE][-+]?\d+)?"
)
_NUMBER = re.compile(
    rf"(?<![\w.,^/])(?<![-–]\s)(?<!\d[-–]){_NUMBER_TEXT}(?!\d|[,.]\d|\s?(?:st|nd|rd|th)\b)"
)
_POWER = re.compile(r"(?<=[a-zA-Z])\^?\{?2\}?(?![\w.])")
_UNIT_NAMES = "|".join(sorted((re.escape(name) for name in _UNITS), key=len, reverse=True))
_UNIT = re.compile(rf"\s*({_UNIT_NAMES})(?![\w/^])", re.IGNORECASE)
_ONLY = re.compile(
    rf"^(?:about|around|approximately|approx\.?|roughly|nearly|almost|circa|ca\.?|≈|~|=)?\s*"
    rf"({_NUMBER_TEXT})\s*([^\d\s.,;:!][^\d.,;:!\n]{{0,40}}?)?[.!]?$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:[<>≤≥±]|\b(?:at least|at most|less than|more than|fewer than|greater than|over|under|below"
    r"|above|up to|between|within|from|not|isn't|never|or|to)\b)\s*$",
    re.IGNORECASE,
)
_RANGE_AFTER = re.compile(
    r"^\s*(?:\w{1,3}\s*)?(?:-|–|±|to\b|or\b|/|\+|and\b)\s*[\d.]", re.IGNORECASE
)
_MARKS = re.compile(r"<?\bobj_\d+>?")
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Quantity:
    """A number as stated.

    Attributes:
        value: in the stated unit.
        unit: as stated, folded; empty if none.
    """

    value: float
    unit: str

    def is_same(self, other: Quantity) -> bool:
        """Return whether both are one number, in one unit or one of them without a unit."""
        units = {unit for unit in (_canonical(self.unit), _canonical(other.unit)) if unit}
        return self.value == other.value and len(units) <= 1

    def in_unit(self, unit: str) -> float:
        """Return the value in another unit of the same kind; unchanged if either is unknown."""
        own, wanted = _UNITS.get(self.unit), _UNITS.get(unit.casefold().strip())
        if own is None or wanted is None or own[0] != wanted[0]:
            return self.value
        return self.value if own[1] == wanted[1] else self.value * own[1] / wanted[1]


def read_number(text: str, unit: str = "") -> float | None:
    """Return the number that the text states last, or None.

    None if it states none, several without saying which is the answer, a range or a bound, or was
    cut inside its reasoning.

    Args:
        text: as generated.
        unit: the unit that was asked for; a number in another unit of its kind is converted.
    """
    final = after_reasoning(text)
    if final is None:
        return None
    found = _stated(normalised(_with_fractions(final)))
    return None if found is None else found.in_unit(unit)


def unit_asked(question: str) -> str:
    """Return the unit that a question asks for, such as `meters`; empty if it names none."""
    found = re.search(rf"\bin ({_UNIT_NAMES})\b", question, re.IGNORECASE)
    return found.group(1).casefold() if found else ""


def quantity_of(text: str) -> Quantity | None:
    """Return the number and unit that a text is, such as `-3.74m/s`; None for other texts."""
    found = _ONLY.match(_POWER.sub("²", text.strip().strip("\"'()")))
    return _quantity(found.group(1), found.group(2) or "") if found else None


def _stated(shown: str) -> Quantity | None:
    boxes = re.findall(f"{BOX_START}([^{BOX_START}{BOX_END}]*){BOX_END}", shown)
    if boxes:
        return _single(boxes[-1])
    plain = re.sub(f"[{BOX_START}{BOX_END}]", " ", shown)
    phrases = [
        found
        for found in statements.ANSWER_IS.finditer(plain)
        if not statements.is_unstated(
            plain[plain.rfind("\n", 0, found.start()) + 1 : found.start()]
        )
    ]
    for found in reversed(phrases):
        if statements.RETRACTED_AFTER.search(plain, found.end()):
            return None
        rest = plain[found.end() :].lstrip()
        value = re.split(r"\n|[.;!?](?=\s|$)|,(?=\s)|\s\(|\bbecause\b|\bsince\b", rest, maxsplit=1)[
            0
        ]
        if re.search(r"\d", value) or _WORD.search(value):
            return _single(value)
    lines = [line for line in plain.splitlines() if line.strip()]
    if len(lines) > 1 and (alone := quantity_of(lines[-1])) is not None:
        return alone
    return _single(plain)


def _single(text: str) -> Quantity | None:
    """Return the only number of a text."""
    text = _POWER.sub("²", _MARKS.sub(" ", text))
    found = list(_NUMBER.finditer(text))
    digits = len(re.findall(r"[0-9]+", text))
    if not found:
        words = _WORD.findall(text)
        if digits or len(words) != 1 or statements.DENIED.search(text):
            return None
        if words[0].casefold() == "one" and len(text.split()) > 1:
            return None  # "the one on the left"
        return Quantity(float(_WORDS.index(words[0].casefold())), "")
    (only, *others) = found
    if others or digits > len(re.findall(r"[0-9]+", only.group())):
        return None
    before, after = text[: only.start()], text[only.end() :]
    if _BOUND.search(before) or _RANGE_AFTER.match(after) or re.match(r"\s*\+", after):
        return None
    unit = _UNIT.match(after)
    return _quantity(only.group(), unit.group(1) if unit else "")


def _quantity(number: str, unit: str) -> Quantity | None:
    digits = re.sub(r"[\s,{}]", "", number)
    mantissa, _, exponent = digits.partition("×10")
    try:
        value = float(mantissa) * 10.0 ** int(exponent.lstrip("^") or "1" if "×" in digits else "0")
    except (ValueError, OverflowError):
        return None
    return Quantity(value, re.sub(r"\s+", " ", unit.casefold().strip(" ()")))


def _canonical(unit: str) -> str:
    known = _UNITS.get(unit)
    return f"{known[0]}*{known[1]}" if known else unit


def _with_fractions(text: str) -> str:
    """Write `2½` as `2.5`."""

    def decimal(found: re.Match[str]) -> str:
        return f"{int(found.group(1) or 0) + unicodedata.numeric(found.group(2)):g}"

    return re.sub(r"(\d*)([\u00bc-\u00be\u2150-\u215e])", decimal, text)
