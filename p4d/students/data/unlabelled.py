"""Clips without questions: rows that are distilled and answer nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
from torch.utils.data import Dataset

from p4d.artifacts import read_table
from p4d.ids import seed_for
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.samples import LabelReader, RowOrder, Sample


class UnlabelledClips(Dataset[Sample]):
    """Clips of the train split without questions, in passes of their own seeded order."""

    def __init__(
        self,
        release: Path,
        order: RowOrder,
        *,
        asked: Collection[str],
        per_step: int,
        clips: ClipReader,
        labels: LabelReader,
    ) -> None:
        """Find the clips.

        Args:
            release: folder of the stage; its table of clips excludes test videos.
            order: rows of the run and their seed.
            asked: ids of the clips that have questions.
            per_step: rows that each step takes.
            clips: reads pictures.
            labels: reads labels; clips without labels are left out.
        """
        table = read_table(release / "clips.parquet").filter(pl.col("split") == "train")
        rows = table.select("clip_id", "shard").sort("clip_id").iter_rows()
        self._rows = [(c, s) for c, s in rows if c not in asked and labels.has(s, c)]
        self._order, self._clips, self._labels = order, clips, labels
        self.per_step = per_step

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Sorted ids."""
        return tuple(clip_id for clip_id, _ in self._rows)

    def __len__(self) -> int:
        """Rows of the run."""
        return self._order.length

    def row(self, index: int) -> tuple[str, str, int]:
        """Clip, shard and number of the pass of the row at `index` of the run."""
        epoch, place = divmod(index, len(self._rows))
        order = np.random.default_rng(seed_for("unlabelled clip order", self._order.seed, epoch))
        clip_id, shard = self._rows[order.permutation(len(self._rows))[place]]
        return clip_id, shard, epoch

    def __getitem__(self, index: int) -> Sample:
        """The row at `index` of the run."""
        clip_id, shard, _ = self.row(index)
        maps = index % self._order.maps_every == 0
        return Sample(
            clip_id=clip_id,
            questions=(),
            visual=self._clips.read(shard, clip_id),
            labels=self._labels.read(shard, clip_id, maps=maps),
        )
