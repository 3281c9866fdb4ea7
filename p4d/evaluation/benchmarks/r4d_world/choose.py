"""Selects whole exchange groups up to the quota of each category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from p4d.ids import seed_for

SALT = "r4d-world"


def choose(questions: pl.DataFrame, quotas: Mapping[str, int]) -> pl.DataFrame:
    """Select whole exchange groups up to the quota of each category.

    The members of a group share shard, family and options, and each option is correct once. Taken
    whole, they keep letters, words and numbers balanced. The next group is of the family with the
    fewest questions so far, then the one whose clips have the fewest, then by hash.

    Args:
        questions: with `shard` and `marks_shown`, the number of marks of their clip.
        quotas: wanted questions, by category.
    """
    used: Counter[str] = Counter()
    taken: list[str] = []
    for category in sorted(quotas, key=lambda name: (quotas[name], name)):
        groups = exchange_groups(questions.filter(pl.col("category") == category))
        waiting = sorted(groups, key=lambda group: seed_for(SALT, *(q["qa_id"] for q in group)))
        of_family: Counter[str] = Counter()
        while waiting and of_family.total() < quotas[category]:
            group = min(
                waiting,
                key=lambda group: (
                    of_family[group[0]["family"]],
                    sum(used[question["clip_id"]] for question in group) / len(group),
                ),
            )
            waiting.remove(group)
            used.update(question["clip_id"] for question in group)
            of_family[group[0]["family"]] += len(group)
            taken += [question["qa_id"] for question in group]
    return questions.filter(pl.col("qa_id").is_in(taken)).sort("qa_id")


def exchange_groups(questions: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """Return questions by exchange group; questions without a complete group are left out.

    Equal texts of one clip count once. If marked objects are counted, the clips of a group show
    equally many marks, because the number of marks bounds the count.
    """
    unique = questions.sort("qa_id").unique(
        ["clip_id", "question"], keep="first", maintain_order=True
    )
    sets: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for row in unique.iter_rows(named=True):
        shown = row["marks_shown"] if row["category"] == "Counting" else 0
        key = (row["shard"], row["family"], shown, *sorted(row["options"]))
        by_answer = sets.setdefault(key, {option: [] for option in row["options"]})
        by_answer[row["answer_text"]].append(row)
    return [
        list(group)
        for key in sorted(sets)
        for group in zip(*sets[key].values(), strict=False)  # the shortest list ends it
    ]
