"""Teacher labels of a clip as training targets, read lazily and only as far as they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from p4d.errors import ContractError
from p4d.students.data import LabelReader
from p4d.teachers.store import LabelStore

TEACHER = "expert4d"
ARRAYS_OF: Mapping[str, tuple[str, ...]] = {
    "depth": ("depth_thw", "valid_thw"),
    "flow": ("flow_px_thw2", "flow_valid_thw"),
    "motion": ("motion_thw", "valid_thw"),
    "rays": ("rays_thw6",),
}
"""Stored arrays that each modality needs: the label, then its validity where it has one."""


class ExpertLabelReader(LabelReader):
    """Latents and explicit labels of the expert, from the shards of the stage `labels`."""

    def __init__(self, folders: Mapping[str, Path], modalities: Sequence[str]) -> None:
        """`folders`: label folder per shard. `modalities`: explicit ones, see `ARRAYS_OF`."""
        self._folders = folders
        self._names = sorted({name for kind in modalities for name in ARRAYS_OF[kind]})
        self._store = cache(LabelStore)

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the expert labelled the clip; a teacher may fail on single clips.

        Raises:
            ContractError: the shard is not among the inputs.
        """
        if shard not in self._folders:
            raise ContractError(f"clip {clip_id}: no labels of shard {shard} among the inputs")
        store = self._store(self._folders[shard])
        return all(store.has(clip_id, TEACHER, name) for name in (*self._names, "depth_thw"))

    def read(self, shard: str, clip_id: str) -> Mapping[str, np.ndarray]:
        """`latents` `[H, t, h, w, D]` and the arrays of the modalities, all float32.

        Empty for a clip without labels: it is then trained on its questions alone.
        """
        if not self.has(shard, clip_id):
            return {}
        store = self._store(self._folders[shard])
        found = {name: store.get(clip_id, TEACHER, name) for name in self._names}
        found["latents"] = store.latents(clip_id, TEACHER)
        return {name: np.asarray(values, np.float32) for name, values in found.items()}
