"""The samples of a training run in the order of use: clips, their questions, their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from p4d.ids import seed_for
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.questions import Question

LATENTS = "latents"
"""Name of the latents among the arrays of labels; the other arrays are maps."""


@dataclass(frozen=True)
class Sample:
    """One clip with the questions asked about it, before packing."""

    clip_id: str
    questions: tuple[Question, ...]
    visual: Visual | None
    labels: Mapping[str, np.ndarray]


class LabelReader:
    """The labels of a teacher; this base class has none.

    p4d/students/data/targets.py reads them from shards.
    """

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the clip has labels."""
        del shard, clip_id
        return False

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """Labels of a clip, empty if it has none; `maps`: whether maps are read, too."""
        del shard, clip_id, maps
        return {}


@dataclass(frozen=True, kw_only=True)
class RowOrder:
    """Which rows a run draws from its clips.

    Attributes:
        length: rows of the whole run: steps times rows per step.
        seed: draws the order of the clips in each pass, and the questions.
        maps_every: one of so many rows carries explicit maps; all carry latents.
    """

    length: int
    seed: int
    maps_every: int = 1


class TrainingSamples(Dataset[Sample]):
    """The samples of a run; equal for every arm.

    Sample i belongs to pass i // n over the n clips. Each pass has its own seeded order, and the
    questions of a clip are drawn per pass without repetition. The first `labelled` samples carry
    the teacher's latents, and one of every `maps_every` of them carries its maps.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        order: RowOrder,
        *,
        questions_per_clip: int,
        clips: ClipReader | None,
        labels: LabelReader,
        labelled: int | None = None,
    ) -> None:
        """`clips` is None for an arm without video; `labelled` is None if all samples are."""
        self._by_clip: dict[str, list[Question]] = {}
        for question in sorted(questions, key=lambda q: q.qa_id):
            self._by_clip.setdefault(question.clip_id, []).append(question)
        self._clip_ids = sorted(self._by_clip)
        self._order, self._per_clip = order, questions_per_clip
        self._clips, self._labels = clips, labels
        self._labelled = order.length if labelled is None else labelled

    def __len__(self) -> int:
        """Samples of the run."""
        return self._order.length

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index` of the run."""
        epoch, place = divmod(index, len(self._clip_ids))
        order = np.random.default_rng(seed_for("clip order", self._order.seed, epoch))
        clip_id = self._clip_ids[order.permutation(len(self._clip_ids))[place]]
        asked = self._by_clip[clip_id]
        draw = np.random.default_rng(seed_for("questions", self._order.seed, epoch, clip_id))
        chosen = draw.permutation(len(asked))[: self._per_clip]
        shard = asked[0].shard
        labels: Mapping[str, np.ndarray] = {}
        if index < self._labelled:
            maps = index % self._order.maps_every == 0
            labels = self._labels.read(shard, clip_id, maps=maps)
        return Sample(
            clip_id=clip_id,
            questions=tuple(asked[i] for i in chosen),
            visual=self._clips.read(shard, clip_id) if self._clips else None,
            labels=labels,
        )
