"""What may stand beside an answer: rules for words, counts and measured numbers.

Wrong options are never invented. They are the true answers of other questions of the same family
(see balance.py), so a rule only says which answers may stand side by side, in which sets, how they
are written, and how far a fact is from each. The scale of numbers follows STI-Bench (wrong values
between a fifth and four times the right one) and counts follow VLM4D (consecutive integers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Answer = str | int | tuple[float, ...]


class OptionRule(Protocol):
    """How the options of a family are made."""

    @property
    def reach(self) -> float:
        """How far apart options can be for certain; a sigma too large for it is refused early."""

    def size(self, options: int) -> int:
        """How many options a question has when `options` are asked for."""

    def text(self, answer: Answer) -> str:
        """An answer as an option is written."""

    def bucket(self, answer: Answer) -> str | int:
        """Answers of one bucket may not stand side by side; numbers share one bucket."""

    def sets(self, supply: Mapping[str | int, int], size: int) -> Iterator[tuple[str | int, ...]]:
        """Buckets to draw a set of options from, best first; `supply` counts the candidates."""

    def compatible(self, one: Answer, other: Answer) -> bool:
        """Whether two answers may stand side by side."""

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """How far a fact is from each written option, in the unit of its sigma."""


@dataclass(frozen=True)
class Words:
    """A closed vocabulary.

    Attributes:
        always: words that every set must offer.

    """

    always: tuple[str, ...] = ()
    most: int = 4
    reach: float = 1.0

    def size(self, options: int) -> int:
        """VLM4D always offers four words."""
        return min(options, self.most)

    def text(self, answer: Answer) -> str:
        """The word itself."""
        return str(answer)

    def bucket(self, answer: Answer) -> str | int:
        """The word itself."""
        return str(answer)

    def sets(self, supply: Mapping[str | int, int], size: int) -> Iterator[tuple[str | int, ...]]:
        """The words with most candidates: it leaves the fewest questions without partners."""
        have = {str(word): count for word, count in supply.items() if count}
        if any(word not in have for word in self.always):
            return
        rest = sorted((w for w in have if w not in self.always), key=lambda w: (-have[w], w))
        chosen = (*self.always, *rest)[:size]
        if len(chosen) == size:
            yield chosen

    def compatible(self, one: Answer, other: Answer) -> bool:
        """Different words."""
        return one != other

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Zero for the word itself, one for any other."""
        return [float(option != answer) for option in options]


@dataclass(frozen=True)
class Counts:
    """Consecutive integers."""

    reach: float = 1.0

    def size(self, options: int) -> int:
        """As many as asked for."""
        return options

    def text(self, answer: Answer) -> str:
        """Plain digits."""
        return str(answer)

    def bucket(self, answer: Answer) -> str | int:
        """The integer itself."""
        return int(answer)  # type: ignore[arg-type]

    def sets(self, supply: Mapping[str | int, int], size: int) -> Iterator[tuple[str | int, ...]]:
        """Windows of consecutive integers, the one with the best supplied scarcest first."""
        have = {int(count): n for count, n in supply.items() if n}
        windows = [tuple(range(low, low + size)) for low in sorted(have)]
        full = [window for window in windows if all(value in have for value in window)]
        yield from sorted(full, key=lambda window: (-min(have[v] for v in window), window))

    def compatible(self, one: Answer, other: Answer) -> bool:
        """Different integers."""
        return one != other

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Differences."""
        return [abs(float(option) - float(answer)) for option in options]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Numbers:
    """Measured numbers or points in space.

    Attributes:
        unit: written after the number.
        decimals: digits after the point.
        least_gap: two options are at least this far apart.
        least_ratio: and, for single numbers, this much apart in proportion to the larger.
        most_ratio: the largest option over the smallest that is not zero.

    """

    unit: str
    decimals: int
    least_gap: float
    least_ratio: float = 0.2
    most_ratio: float = 20.0
    reach: float = np.inf  # wider options may be found; the group decides

    def size(self, options: int) -> int:
        """As many as asked for."""
        return options

    def text(self, answer: Answer) -> str:
        """`0.35 m`, or `(0.1, -0.3, 2.0) m` for a point."""
        values = [f"{self._rounded(v):.{self.decimals}f}" for v in _vector(answer)]
        joined = values[0] if len(values) == 1 else f"({', '.join(values)})"
        return f"{joined} {self.unit}"

    def bucket(self, answer: Answer) -> str | int:
        """One bucket for all."""
        del answer
        return 0

    def sets(self, supply: Mapping[str | int, int], size: int) -> Iterator[tuple[str | int, ...]]:
        """Any `size` candidates that are pairwise compatible."""
        if sum(supply.values()) >= size:
            yield (0,) * size

    def compatible(self, one: Answer, other: Answer) -> bool:
        """Apart in distance and in proportion, and of one scale."""
        a, b = _vector(one), _vector(other)
        gap = float(np.linalg.norm(a - b))
        if gap < self.least_gap:
            return False
        if len(a) > 1:
            return True
        low, high = sorted((abs(self._rounded(a[0])), abs(self._rounded(b[0]))))
        return gap >= self.least_ratio * high and (low == 0 or high <= self.most_ratio * low)

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Distances to the written, that is rounded, values."""
        value = _vector(answer)
        return [float(np.linalg.norm(self.parse(option) - value)) for option in options]

    def parse(self, option: str) -> np.ndarray:
        """The numbers of a written option."""
        numbers = option.removesuffix(self.unit).strip().strip("()")
        return np.array([float(part) for part in numbers.split(",")])

    def _rounded(self, value: float) -> float:
        return round(float(value), self.decimals) + 0.0  # no "-0.00"


def _vector(answer: Answer) -> np.ndarray:
    if not isinstance(answer, tuple):
        raise TypeError(f"expected numbers, got {answer!r}")
    return np.asarray(answer, dtype=np.float64)
