"""Facts of the whole clip: names, sizes, and which names and marks do not occur."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from p4d.questions.facts.blocks import NOBODY, FactBlock, FactRows, Ints, each
from p4d.questions.facts.exact.comparison_facts import MARKS_TO_CHOOSE_FROM, extreme_fact
from p4d.questions.facts.scene.margins import POSITION_SIGMA_M
from p4d.questions.facts.scene.stack import Scenes

EXTENT_SIGMA_M = POSITION_SIGMA_M + 0.01
NAMED_MARGIN = 1e6


def identity_facts(rows: FactRows, scenes: Scenes) -> Iterator[FactBlock]:
    """Yield the names and sizes of the objects, and which is the largest and the smallest."""
    objects, metric_c1 = scenes.objects, scenes.metric_c[:, None]
    names = [scene.names or (None,) * objects for scene in scenes.scenes]
    yield _named(
        rows, "name", names, about=each(objects), frame="object", method="colour and shape"
    )
    extent_m_ck = scenes.size_m_ck3.max(axis=-1)
    yield rows.quantity(
        "size_longest", extent_m_ck, EXTENT_SIGMA_M, about=each(objects), unit="m",
        frame="object", method="largest full extent of the object's box", where=metric_c1,
    )  # fmt: skip
    if objects == MARKS_TO_CHOOSE_FROM:
        for kind, sign in (("largest", -1.0), ("smallest", 1.0)):
            yield extreme_fact(
                rows, kind, sign * extent_m_ck, np.full(objects, EXTENT_SIGMA_M),
                frame="object", method="longest extents", where=metric_c1,
            )  # fmt: skip


def absence_facts(rows: FactRows, scenes: Scenes) -> Iterator[FactBlock]:
    """Yield a name that no object has, and the lowest number that no mark has."""
    yield _named(
        rows, "absent_name", [(scene.absent_name or None,) for scene in scenes.scenes],
        about=NOBODY, frame="world", method="names of all objects of the clip, marked or not",
    )  # fmt: skip
    yield rows.quantity(
        "absent_mark", scenes.objects + 1, 0.0, about=NOBODY, unit="count", frame="picture",
        method="one more than there are marks",
    )  # fmt: skip


def _named(
    rows: FactRows,
    kind: str,
    names: Sequence[Sequence[str | None]],
    *,
    about: Ints,
    frame: str,
    method: str,
) -> FactBlock:
    """Facts whose word is a name, the only one of its vocabulary; None gives no fact."""
    words = tuple(dict.fromkeys(name for row in names for name in row if name is not None))
    number: dict[str | None, int] = {name: place for place, name in enumerate(words)}
    numbers = np.array([[number.get(name, -1) for name in row] for row in names], np.int64)
    numbers = numbers.reshape(len(names), len(about))
    block = rows.word(
        kind, numbers, NAMED_MARGIN, words, about=about, frame=frame, method=method,
        where=numbers >= 0,
    )  # fmt: skip
    return replace(block, value_n=np.zeros_like(block.value_n))
