"""Clips that nobody asks about: rows that are distilled and answer nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
from torch.utils.data import Dataset

from p4d.artifacts import read_table
from p4d.ids import seed_for
from p4d.students.data.batch import ClipReader, LabelReader, Sample


class UnlabelledClips(Dataset[Sample]):
    """Clips of the train split without questions, in passes of their own seeded order."""

    def __init__(
        self,
        release: Path,
        *,
        asked: Collection[str],
        seed: int,
        length: int,
        clips: ClipReader,
        labels: LabelReader,
        maps_every: int = 1,
    ) -> None:
        """Find the clips.

        Args:
            release: folder of the stage; its split of clips keeps test videos out.
            asked: ids of the clips that have questions.
            seed: of the order.
            length: rows of the run.
            clips: reads pictures.
            labels: reads labels; a clip without any teaches nothing and is left out.
            maps_every: of so many rows, one brings maps along.
        """
        table = read_table(release / "clips.parquet").filter(pl.col("split") == "train")
        rows = table.select("clip_id", "shard").sort("clip_id").iter_rows()
        self._rows = [(c, s) for c, s in rows if c not in asked and labels.has(s, c)]
        self._seed, self._length, self._clips, self._labels = seed, length, clips, labels
        self._maps_every = maps_every

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Sorted ids."""
        return tuple(clip_id for clip_id, _ in self._rows)

    def __len__(self) -> int:
        """Rows of the run."""
        return self._length

    def __getitem__(self, index: int) -> Sample:
        """The row at `index` of the run."""
        epoch, place = divmod(index, len(self._rows))
        order = np.random.default_rng(seed_for("unlabelled clip order", self._seed, epoch))
        clip_id, shard = self._rows[order.permutation(len(self._rows))[place]]
        return Sample(
            clip_id=clip_id,
            questions=(),
            visual=self._clips.read(shard, clip_id),
            labels=self._labels.read(shard, clip_id, maps=index % self._maps_every == 0),
        )
