"""Which rows of a run are external conversations (`training.mix`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from p4d.config import ClipsParams
from p4d.errors import ContractError
from p4d.external.mixture import TRAIN
from p4d.external.rows import ExternalConversation, read_split
from p4d.ids import seed_for
from p4d.students.data.conversations import DecodedConversation, decoded, unseen
from p4d.students.data.samples import Sample

CLIPS = ""
"""The source of rows that are clips, among the names of sets."""


@dataclass(frozen=True, kw_only=True)
class MixPlan:
    """The source of every row of a run.

    Sources are spread evenly: each row is of the source that is furthest behind its share. Any
    stretch of rows therefore holds each share to within a row or two, and the number of a row alone
    gives its source.

    Attributes:
        length: rows of the run.
        mix: share of each set; the rest are clips.
    """

    length: int
    mix: Mapping[str, float]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The sources, clips first."""
        return (CLIPS, *sorted(self.mix))

    @cached_property
    def _source_and_place(self) -> tuple[np.ndarray, np.ndarray]:
        shares = [1 - sum(self.mix.values()), *(self.mix[name] for name in self.names[1:])]
        taken = [0] * len(shares)
        sources, places = np.zeros((2, self.length), np.int64)
        for row in range(self.length):
            behind = [share * (row + 1) - count for share, count in zip(shares, taken, strict=True)]
            source = int(np.argmax(behind))
            sources[row], places[row] = source, taken[source]
            taken[source] += 1
        return sources, places

    def at(self, row: int) -> tuple[str, int]:
        """The source of a row, and how many rows of it came before."""
        sources, places = self._source_and_place
        return self.names[sources[row]], int(places[row])

    def count(self, name: str, rows: int | None = None) -> int:
        """How many of the first `rows` rows are of a source; default: of all."""
        sources, _ = self._source_and_place
        return int((sources[:rows] == self.names.index(name)).sum())


class MixedSamples(Dataset[Sample | DecodedConversation]):
    """Clips with their questions, and external conversations in seeded passes of their own."""

    def __init__(
        self,
        plan: MixPlan,
        own: Dataset[Sample],
        sets: Mapping[str, Sequence[ExternalConversation]],
        *,
        seed: int,
        clips: ClipsParams | None,
    ) -> None:
        """`own` has `plan.count(CLIPS)` rows; `clips` is None for an arm that sees no video."""
        self._plan, self._own, self._sets = plan, own, sets
        self._seed, self._clips = seed, clips

    def __len__(self) -> int:
        """Rows of the run."""
        return self._plan.length

    def __getitem__(self, index: int) -> Sample | DecodedConversation:
        """The row at `index` of the run."""
        name, place = self._plan.at(index)
        if name == CLIPS:
            return self._own[place]
        rows = self._sets[name]
        epoch, number = divmod(place, len(rows))
        order = np.random.default_rng(seed_for("external order", self._seed, name, epoch))
        row = rows[order.permutation(len(rows))[number]]
        return unseen(row) if self._clips is None else decoded(row, self._clips)


def sets_of_mix(
    external: Path, mixture: Path, mix: Mapping[str, float]
) -> dict[str, list[ExternalConversation]]:
    """The rows of each set in the mix that may be trained on.

    Raises:
        ContractError: a set has none.
    """
    found: dict[str, list[ExternalConversation]] = {name: [] for name in mix}
    known: set[str] = set()
    for row in read_split(external, mixture, TRAIN):
        known.add(row.set_name)
        if row.set_name in found:
            found[row.set_name].append(row)
    for name, rows in found.items():
        if not rows:
            listed = ", ".join(sorted(known)) or "none"
            raise ContractError(
                f"training.mix names {name}, which has no row to train on; those with rows: "
                f"{listed} "
                "(data/external/rejected.parquet and data/mixture/rows.parquet hold the reasons)"
            )
    return found
