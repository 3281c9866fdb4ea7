"""Rules for the options of words, counts and measured numbers.

Wrong options are never invented. They are the true answers of other questions of the same family
(see exchange_groups.py). So a rule only decides which answers may be options of one question, how
they are written, and how far a fact is from each. The scale of numbers follows STI-Bench (wrong
values of the same scale, with a minimum gap), and counts follow VLM4D (consecutive integers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Answer = str | int | tuple[float, ...]


@dataclass(frozen=True)
class Words:
    """A closed vocabulary; as in VLM4D, a question offers four words.

    Attributes:
        always: words that every set of options has.
        max_options: upper limit of options per question.

    """

    always: tuple[str, ...] = ()
    max_options: int = 4

    def size(self, options: int) -> int:
        """Return how many options a question has if `options` are configured."""
        return min(options, self.max_options)

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Return zero for the word itself, one for any other."""
        return [float(option != answer) for option in options]


@dataclass(frozen=True)
class Counts:
    """Consecutive integers, one unit apart.

    Attributes:
        max_options: upper limit of options per question; None: as many as configured.

    """

    max_options: int | None = None

    def size(self, options: int) -> int:
        """Return how many options a question has if `options` are configured."""
        return options if self.max_options is None else min(options, self.max_options)

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Return the absolute differences."""
        return [abs(float(option) - float(answer)) for option in options]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Numbers:
    """Measured numbers or points in space.

    Attributes:
        unit: text after the number.
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

    def size(self, options: int) -> int:
        """Return the configured number."""
        return options

    def distances(self, answer: Answer, options: Sequence[str]) -> list[float]:
        """Return the distances to the written, that is rounded, values."""
        value = np.asarray(answer, dtype=np.float64)
        return [float(np.linalg.norm(self.parse(option) - value)) for option in options]

    def parse(self, option: str) -> np.ndarray:
        """Return the numbers of a written option."""
        numbers = option.removesuffix(self.unit).strip().strip("()")
        return np.array([float(part) for part in numbers.split(",")])

    def write(self, numbers: np.ndarray) -> list[str]:
        """Write options such as `0.35 m`, or `(0.1, -0.3, 2.0) m` for points.

        Args:
            numbers: [n, dims] in units of the last digit (`rounded`).
        """
        texts = written(numbers, self.decimals)
        if texts.shape[1] == 1:
            return [f"{one} {self.unit}" for (one,) in texts.tolist()]
        return [f"({', '.join(point)}) {self.unit}" for point in texts.tolist()]

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Return values in units of the last written digit."""
        return np.rint(np.asarray(values) * 10**self.decimals).astype(np.int64)


OptionRule = Words | Counts | Numbers


def written(numbers: np.ndarray, decimals: int) -> np.ndarray:
    """Write integers that count the last of `decimals` digits: 35 is 0.35; -0.00 never occurs."""
    distinct, places = np.unique(numbers, return_inverse=True)
    texts = np.array([f"{int(n) / 10**decimals:.{decimals}f}" for n in distinct], dtype=object)
    return texts[places].reshape(numbers.shape)


def margin(rule: OptionRule, answer: Answer, sigma: float, options: Sequence[str]) -> float:
    """Return by how many sigmas the nearest option is nearer than the second nearest."""
    nearest, second = sorted(rule.distances(answer, options))[:2]
    return (second - nearest) / sigma
