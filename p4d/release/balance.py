"""Answer balance of a release: what a text-only reader could exploit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from p4d.splits import SPLITS


def balance(questions: pl.DataFrame) -> dict[str, Any]:
    """Measure the answer balance per split and category.

    `majority_prior` is the accuracy of a reader that counts: it takes the option with the highest
    rate of being right when offered, in the train questions of the family; ties are shared. On
    train itself the rates are fitted, so the accuracy is too high. `chance` is the mean of one over
    the number of options.
    """
    rates = answer_rates(questions.filter(pl.col("split") == "train"))
    found: dict[str, Any] = {}
    for split in SPLITS:
        part = questions.filter(pl.col("split") == split)
        found[split] = {
            category: _balance_of(part.filter(pl.col("category") == category), rates)
            for category in sorted(set(part["category"].to_list()))
        }
    return found


def answer_rates(questions: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return how often an option is right when its family offers it."""
    offered: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for row in questions.iter_rows(named=True):
        offered.update((row["family"], option) for option in row["options"])
        right[(row["family"], row["answer_text"])] += 1
    return {key: right[key] / count for key, count in offered.items()}


def counting_accuracy(questions: pl.DataFrame, rates: Mapping[tuple[str, str], float]) -> float:
    """Return the expected accuracy of taking the option with the highest rate.

    An option without a rate counts as chance.
    """
    score = 0.0
    for row in questions.iter_rows(named=True):
        options = row["options"]
        guesses = [rates.get((row["family"], option), 1.0 / len(options)) for option in options]
        best = max(guesses)
        if guesses[row["answer_index"]] == best:
            score += 1.0 / guesses.count(best)
    return score / questions.height


def _balance_of(rows: pl.DataFrame, rates: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    ranks: Counter[int] = Counter()
    for row in rows.iter_rows(named=True):
        rank = numeric_rank(row["options"], row["answer_index"])
        if rank is not None:
            ranks[rank] += 1
    chances = [1.0 / len(options) for options in rows["options"].to_list()]
    return {
        "questions": rows.height,
        "chance": round(sum(chances) / len(chances), 6),
        "letters": _counts(Counter(rows["answer"].to_list())),
        "numeric_ranks": _counts(ranks),
        "answers": _counts(_words(rows)),
        "families": _counts(Counter(rows["family"].to_list())),
        "frames": _counts(Counter(rows["frame"].to_list())) if "frame" in rows.columns else {},
        "uneven_option_sets": uneven_option_sets(rows),
        "majority_prior": round(counting_accuracy(rows, rates), 6),
    }


def uneven_option_sets(questions: pl.DataFrame) -> int:
    """Count the sets of options in which one option is right more often than another."""
    right: dict[tuple[str, ...], Counter[str]] = {}
    for row in questions.iter_rows(named=True):
        key = (row["family"], *sorted(row["options"]))
        right.setdefault(key, Counter())[row["answer_text"]] += 1
    return sum(
        len(counts) < len(key) - 1 or len(set(counts.values())) > 1 for key, counts in right.items()
    )


def numeric_rank(options: Sequence[str], answer_index: int) -> int | None:
    """Return the rank of the right option among numbers, 0 for the smallest; None for words."""
    try:
        values = [float(option.split()[0]) for option in options]
    except ValueError:
        return None
    return sorted(values).index(values[answer_index])


def _words(rows: pl.DataFrame) -> Counter[str]:
    """Count answers that are words or counts; measured numbers hardly repeat."""
    return Counter(
        row["answer_text"]
        for row in rows.iter_rows(named=True)
        if not row["answer_text"].endswith((" m", " m/s", " m/s2", " degrees", " times"))
    )


def _counts(counter: Counter[Any]) -> dict[str, int]:
    return {str(key): counter[key] for key in sorted(counter)}
