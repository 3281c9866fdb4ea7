"""The exchange groups of questions, by which a harness scores.

The questions of a group read alike and share one set of options, and each option is right once
(p4d/questions/asking/exchange_groups.py). Tables do not hold the groups, so they are formed again:
as many as possible with every letter right once, too, as they were asked; the rest by options.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from p4d.ids import content_id


def exchange_group_ids(questions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The group of each question that is in a complete one, by the question's id.

    Args:
        questions: rows with `qa_id`, `shard`, `family`, `options`, `answer_text` and, where groups
            never span splits or numbers of marks, `within`.
    """
    sets: dict[tuple[Any, ...], dict[tuple[int, int], list[str]]] = {}
    for row in sorted(questions, key=lambda each: str(each["qa_id"])):
        options = sorted(row["options"])
        key = (row.get("within"), row["shard"], row["family"], *options)
        cells = sets.setdefault(key, defaultdict(list))
        answer = row["answer_text"]
        cells[options.index(answer), list(row["options"]).index(answer)].append(row["qa_id"])
    named: dict[str, str] = {}
    for key, cells in sets.items():
        for ids in _groups(cells, len(key) - 3):
            named |= dict.fromkeys(ids, content_id("group", sorted(ids)))
    return named


def _groups(cells: Mapping[tuple[int, int], list[str]], size: int) -> Iterator[list[str]]:
    """Groups of one set of options; a cell has the questions of one right option and letter."""
    counts = np.zeros((size, size), np.int64)
    for cell, ids in cells.items():
        counts[cell] = len(ids)
    while True:
        rows, columns = linear_sum_assignment((counts == 0).astype(float))
        if not counts[rows, columns].all():
            break
        counts[rows, columns] -= 1
        yield [cells[int(i), int(j)].pop() for i, j in zip(rows, columns, strict=True)]
    left = [[qa_id for (i, _), ids in sorted(cells.items()) if i == row for qa_id in ids]
            for row in range(size)]  # fmt: skip
    for group in zip(*left, strict=False):  # the shortest list ends it
        yield list(group)
