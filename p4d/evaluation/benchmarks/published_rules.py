"""What several published evaluations have in common: prompts, first words, relative accuracy.

The rules of one benchmark are in its module. They are written from the published scripts and keep
their faults: a score is comparable only if it is computed in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from p4d.evaluation.benchmarks.item import BenchmarkItem, ScoredItem
from p4d.ids import seed_for
from p4d.students.model.chat import LETTERS

FRAMES = "These are frames of a video."
LETTER_PLEASE = "Answer with the option's letter from the given choices directly."
WORD_PLEASE = "Please answer the question using a single word or phrase."
RELATIVE_CONFIDENCES = np.linspace(0.5, 0.95, 10)


def lettered(options: tuple[str, ...], pattern: str) -> list[str]:
    """Return one line per option; `pattern` has `{letter}` and `{text}`."""
    return [
        pattern.format(letter=letter, text=text)
        for letter, text in zip(LETTERS, options, strict=False)
    ]


def frames_prompt(item: BenchmarkItem) -> str:
    """Return the prompt of VSI-Bench's evaluation, which VSTI-Bench's took over."""
    if item.kind == "numeric":
        return "\n".join([FRAMES, item.question, WORD_PLEASE])
    options = lettered(item.options, "{letter}. {text}")
    return "\n".join([FRAMES, item.question, "Options:", *options, LETTER_PLEASE])


def right_letter(item: BenchmarkItem) -> str:
    """Return the letter of the correct option."""
    assert item.answer_index is not None, "only a choice has a right letter"
    return LETTERS[item.answer_index]


def drawn_option(item: BenchmarkItem) -> int:
    """Return the option drawn for an unread reply; equal for equal ids."""
    draw = np.random.default_rng(seed_for("unparsed", item.item_id))
    return int(draw.integers(len(item.options)))


def first_word_score(item: BenchmarkItem, text: str) -> float:
    """VSI-Bench's rule: the first word without its full stop is the letter, or the number.

    A number scores by relative accuracy without tolerance for rounding; anything that Python does
    not read as a number scores 0.
    """
    word = text.split(" ")[0].rstrip(".").strip()
    if item.kind == "mcq":
        return float(word.lower() == right_letter(item).lower())
    try:
        predicted = float(word)
    except ValueError:
        return 0.0
    assert item.answer_value is not None, "a numeric item has a value"
    return published_relative_accuracy(predicted, item.answer_value)


def published_relative_accuracy(predicted: float, truth: float) -> float:
    """Mean relative accuracy as VSI-Bench's script computes it: no slack on the thresholds."""
    return float(np.mean(abs(predicted - truth) / truth <= 1 - RELATIVE_CONFIDENCES))


def by_category(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean score of each category, in the order of their names."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.item.category, []).append(row.score)
    return {name: mean(found[name]) for name in sorted(found)}


def mean(values: Sequence[Any]) -> Any:  # noqa: ANN401 - numbers, or arrays of a bootstrap
    """Return the mean of a non-empty sequence of numbers or of equal arrays."""
    return sum(values) / len(values)


def mean_of_types(of_type: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the mean over types, each with equal weight."""
    return mean(list(of_type.values()))


def types_overall(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean over types, and the mean of each type."""
    of_type = by_category(rows)
    return {"overall": mean_of_types(of_type), **of_type}


def mean_of_items(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean over items, and over the items of each category."""
    return {"overall": mean([row.score for row in rows]), **by_category(rows)}
