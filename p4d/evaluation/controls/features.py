"""Features of questions and options for readers that see no video.

Features of a question are its wording, marks, times, numbers, option set and, for a reader that
sees the marks, what their outlines show. Features of an option are its text, letter, rank, size,
length and distance from the other options. Each feature is a text, for example `letter 2`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MARK = re.compile(r"<obj_(\d)>")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


@dataclass(frozen=True)
class MarkOutlines:
    """Outlines of the marked regions of a clip in its first frame, in the order of marks.

    Attributes:
        x: centre of the region, 0 left to 1 right.
        y: centre of the region, 0 top to 1 bottom.
        foot: lowest row of the region, 0 top to 1 bottom.
        width: width of its box as a share of the frame.
        height: height of its box as a share of the frame.
        area: area as a share of the frame.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    foot: tuple[float, ...]
    width: tuple[float, ...]
    height: tuple[float, ...]
    area: tuple[float, ...]

    @classmethod
    def of(cls, masks_khw: NDArray[np.uint8]) -> MarkOutlines:
        """Measure 0/1 masks in the order of marks; an empty mask counts as one corner pixel."""
        rows = []
        for mask_hw in masks_khw:
            v, u = np.nonzero(mask_hw)
            if not len(v):
                v, u = np.zeros(1, np.int64), np.zeros(1, np.int64)
            tall, wide = mask_hw.shape
            box = (np.ptp(u) + 1) / wide, (np.ptp(v) + 1) / tall
            middle = (u.mean() + 0.5) / wide, (v.mean() + 0.5) / tall
            rows.append((*middle, (v.max() + 1) / tall, *box, len(v) / (tall * wide)))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 6
        return cls(*(tuple(map(float, column)) for column in columns))

    def __len__(self) -> int:
        """Return the number of marks."""
        return len(self.x)


def question_features(text: str, options: Sequence[str], marks: MarkOutlines | None) -> list[str]:
    """Return the features of a question, besides its family."""
    named = _MARK.findall(text)
    numbers = [float(one) for one in _NUMBER.findall(_MARK.sub("", text))]
    found = [
        f"wording {_NUMBER.sub('#', text)}",
        f"marks {named}",
        f"when {text.partition(',')[0] if text.startswith(('At', 'From')) else ''}",
        f"options {sorted(options)}",
        f"count {len(options)}",
        *(f"word {word}" for word in sorted(set(_WORD.findall(text.lower())))),
        *(f"mark {place} {mark}" for place, mark in enumerate(named)),
        *(f"number {place} {round(2 * value)}" for place, value in enumerate(numbers)),
        *(f"other {option}" for option in sorted(options)),
    ]
    if len(named) > 1:
        found.append(f"first mark lower {named[0] < named[1]}")
    if marks is not None:
        found += _outline_features(marks, [int(mark) - 1 for mark in named])
    return found


def _outline_features(marks: MarkOutlines, named: Sequence[int]) -> list[str]:
    """Features of the outlines of the named regions; absent regions have none."""
    found = [f"marks shown {len(marks)}"]
    present = [k for k in named if k < len(marks)]
    for place, k in enumerate(present):
        found += [
            f"{place} {name} {round(8 * value[k])}"
            for name, value in (("x", marks.x), ("y", marks.y), ("foot", marks.foot))
        ]
        found += [
            f"{place} {name} {round(3 * np.log2(value[k]))}"
            for name, value in (("w", marks.width), ("h", marks.height), ("area", marks.area))
        ]
        found += [
            f"{place} edge {marks.x[k] - marks.width[k] / 2 < 0.02} "
            f"{marks.x[k] + marks.width[k] / 2 > 0.98} {marks.foot[k] > 0.98}",
            *(
                f"{place} among all {name} {sum(other < value[k] for other in value)}"
                for name, value in (("x", marks.x), ("foot", marks.foot), ("area", marks.area))
            ),
        ]
    for first, second in pairwise(present):
        dx, dy = marks.x[second] - marks.x[first], marks.y[second] - marks.y[first]
        ratio = np.log2(marks.area[second] / marks.area[first])
        turn = round(float(np.arctan2(dy, dx)) / np.pi * 4)
        found += [
            f"apart {round(8 * float(np.hypot(dx, dy)))}",
            f"dx {round(6 * dx)}",
            f"dy {round(6 * dy)}",
            f"feet {round(6 * (marks.foot[second] - marks.foot[first]))}",
            f"areas {round(2 * float(ratio))}",
            f"towards {turn}",
        ]
    return found


def option_features(
    text: str, options: Sequence[str], marks: MarkOutlines | None
) -> list[list[str]]:
    """Return the features of every option, relative to the others."""
    numbers = [[float(one) for one in _NUMBER.findall(option)] for option in options]
    regions = [_MARK.fullmatch(option) for option in options]
    words = [set(_WORD.findall(option)) for option in options]
    found = []
    for place, option in enumerate(options):
        others = [words[k] for k in range(len(options)) if k != place]
        own = [
            f"letter {place}",
            f"text {option}",
            f"length {sorted(map(len, options)).index(len(option))}",
            f"in text {option in text}",
            f"shared words {sum(len(words[place] & other) for other in others)}",
            f"has not {bool(words[place] & {'no', 'not', 'does', 'neither'})}",
            *(f"word {word}" for word in sorted(words[place])),
        ]
        if all(numbers) and len({len(one) for one in numbers}) == 1 and not any(regions):
            own += _number_features(place, numbers)
        if marks is not None and all(regions):
            own += _region_features(place, [int(one[1]) - 1 for one in regions if one], marks)
        found.append(own)
    return found


def _number_features(place: int, numbers: Sequence[Sequence[float]]) -> list[str]:
    """Rank and size of a number, or of each coordinate of a point."""
    values = np.array(numbers)
    middle = np.abs(values - np.median(values, axis=0)).sum(axis=1)
    found = [f"from the middle {int((middle < middle[place]).sum())}"]
    for axis, column in enumerate(values.T):
        value, spread = column[place], np.ptp(column) or 1.0
        found += [
            f"{axis} rank {int((column < value).sum())}",
            f"{axis} size {round(3 * float(np.arcsinh(4 * value)))}",
            f"{axis} share {round(4 * float((value - column.mean()) / spread))}",
            f"{axis} last digit {round(abs(value) * 100) % 10} {round(abs(value) * 10) % 10}",
        ]
    return found


def _region_features(place: int, regions: Sequence[int], marks: MarkOutlines) -> list[str]:
    """Rank and size of the outline that an option names."""
    if max(regions) >= len(marks):
        return []
    found = []
    for name, column in (("x", marks.x), ("y", marks.y), ("foot", marks.foot),
                         ("area", marks.area), ("height", marks.height)):  # fmt: skip
        value = column[regions[place]]
        found += [
            f"{name} rank {sum(column[k] < value for k in regions)}",
            f"{name} {round(8 * value)}",
        ]
    middle = abs(marks.x[regions[place]] - 0.5)
    found.append(f"aside rank {sum(abs(marks.x[k] - 0.5) < middle for k in regions)}")
    return found
