"""Facts of a real clip about where in the picture something moves before a camera that rests.

The picture is parted into three rows and three columns. A part stirs or is still as far as that is
certain; a row or column stirs if one of its parts does, and is still if all of them are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.questions.facts.calibration import calibration
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.vocabulary import (
    HALVES_DOWN,
    HALVES_OF_TIME,
    PARTS_ACROSS,
    PARTS_DOWN,
    SIDES,
    STIRRING,
)
from p4d.questions.regions.flow.paths_file import ClipPaths

LEAST_STIR = 0.03
"""Square root of the share of the picture that must move in a part. On 111 clips of
the look `bullet` up to 0.058 seemed to move in a part in which no thing did: shadows, and flow that
reaches beyond an outline."""
MOST_STILL = 0.05
"""The same of what may move at most in a part that is still. On 14 of these clips at least 0.077
might move where something did."""
EDGES: Mapping[str, tuple[tuple[slice | int, slice | int], tuple[str, ...]]] = {
    "left": ((slice(None), 0), PARTS_DOWN),
    "right": ((slice(None), 2), PARTS_DOWN),
    "top": ((0, slice(None)), PARTS_ACROSS),
    "bottom": ((2, slice(None)), PARTS_ACROSS),
}
"""Thirds of the picture at its edges, with what their three parts are called."""
SIGMAS = calibration().sigmas
METHOD = "flow and change of pixels before a resting camera"


@dataclass(frozen=True)
class Stirring:
    """By how many sigmas each part stirs, and by how many it is still, [3, 3] each."""

    stirs_33: NDArray[np.float64]
    still_33: NDArray[np.float64]

    @classmethod
    def of(cls, paths: ClipPaths, begin: int, end: int) -> Stirring | None:
        """Between two instants; None if the camera does not certainly rest."""
        certain, possible = paths.stirs_tt33[begin, end], paths.may_stir_tt33[begin, end]
        if not np.isfinite([certain, possible]).all():
            return None
        return cls(
            (np.sqrt(certain) - LEAST_STIR) / SIGMAS.stirs,
            (MOST_STILL - np.sqrt(possible)) / SIGMAS.still,
        )

    def moves(self, part: tuple[slice | int, slice | int]) -> tuple[bool, float]:
        """Whether something moves in some parts, and the margin."""
        stirs, still = float(self.stirs_33[part].max()), float(self.still_33[part].min())
        return stirs > still, max(stirs, still)


def stirring_facts(
    source: Source, found: Stirring | None, span_ns: tuple[int, int]
) -> Iterator[Fact]:
    """Yield in how many columns and rows of the picture something moves, and in which."""
    if found is None:
        return
    about: dict[str, Any] = {"frame": "picture", "span_ns": span_ns, "method": METHOD}
    columns = [found.moves((slice(None), k)) for k in range(3)]
    rows = [found.moves((k, slice(None))) for k in range(3)]
    for kind, thirds in (("stirring_columns", columns), ("stirring_rows", rows)):
        least = min(margin for _, margin in thirds)
        yield quantity(
            source, kind, sum(moves for moves, _ in thirds), 1.0 / max(least, 1e-6), unit="count",
            **about,
        )  # fmt: skip
    for kind, thirds, words in (
        ("stirring_side", columns, SIDES), ("stirring_level", rows, HALVES_DOWN),
    ):  # fmt: skip
        (first, one), _, (last, other) = thirds
        if first != last:
            yield word(source, kind, words[int(last)], min(one, other), words, **about)
    for edge, (part, places) in EDGES.items():
        moves, margin = found.moves(part)
        yield word(source, f"stirring_{edge}", STIRRING[int(moves)], margin, STIRRING, **about)
        stirs, still = found.stirs_33[part], found.still_33[part]
        there = stirs > still
        if there.sum() == 1:
            text, margin = places[int(there.argmax())], float(np.maximum(stirs, still).min())
            yield word(source, f"stirring_where_{edge}", text, margin, places, **about)


def stirring_times(source: Source, time_ns: NDArray, paths: ClipPaths) -> Iterator[Fact]:
    """Yield in which half of a clip something moves at an edge of the picture, if in one alone."""
    last = len(time_ns) - 1
    half = last // 2
    halves = [Stirring.of(paths, *span) for span in ((0, half), (half, last))]
    for edge, (part, _) in EDGES.items():
        found = [each.moves(part) for each in halves if each is not None]
        if len(found) == 2 and found[0][0] != found[1][0]:
            yield word(
                source, f"stirring_when_{edge}", HALVES_OF_TIME[int(found[1][0])],
                min(margin for _, margin in found), HALVES_OF_TIME, frame="picture",
                method=METHOD, span_ns=(int(time_ns[0]), int(time_ns[last])),
            )  # fmt: skip
