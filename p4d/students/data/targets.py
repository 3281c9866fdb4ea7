"""A teacher's labels of a clip as training targets; only the arrays that are used are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from p4d.errors import ContractError
from p4d.geometry.map_grid import picture_intrinsics
from p4d.geometry.rays import rays_from_cameras
from p4d.students.data.samples import LATENTS, LabelReader
from p4d.teachers.labelling.store import LabelStore

ARRAYS_OF: Mapping[str, tuple[str, ...]] = {
    "depth": ("depth_thw", "valid_thw"),
    "flow": ("flow_px_thw2", "flow_valid_thw"),
    "motion": ("motion_thw", "valid_thw"),
    "rays": ("rays_thw6",),
}
"""Arrays of each modality: the label, then its validity if it has one."""

CAMERA = ("depth_thw", "world_T_cam_t44", "K_t33")
"""Arrays that rays are computed from if a teacher stores none; depth gives the size of maps."""


@dataclass(frozen=True, kw_only=True)
class RayGrid:
    """Rays pass through the centres of `tokens_hw` x `tokens_hw` tokens of a picture."""

    size_px: int
    tokens_hw: int


class StoredLabelReader(LabelReader):
    """Latents and explicit labels of one teacher, from the shards of the stage `labels`."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        teacher: str,
        modalities: Sequence[str],
        latents: bool,
        ray_grid: RayGrid,
    ) -> None:
        """Choose the arrays to read.

        Args:
            folders: label folder per shard.
            teacher: name of the teacher.
            modalities: explicit modalities, see `ARRAYS_OF`.
            latents: whether latents are read, too.
            ray_grid: for a teacher that stores cameras and no rays.
        """
        self._folders, self._teacher = folders, teacher
        self._latents, self._ray_grid = latents, ray_grid
        self._names = sorted({name for kind in modalities for name in ARRAYS_OF[kind]})
        self._store = cache(LabelStore)

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the teacher labelled the clip; it may fail on single clips or need truth.

        Raises:
            ContractError: the shard is not among the inputs.
        """
        if shard not in self._folders:
            raise ContractError(f"clip {clip_id}: no labels of shard {shard} among the inputs")
        store = self._store(self._folders[shard])
        return all(
            store.has(clip_id, self._teacher, needed)
            for name in (*self._names, "depth_thw")
            for needed in self._stored(store, clip_id, name)
        )

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """`latents` `[H, t, h, w, D]` float16 and the arrays of the modalities, masks as bool.

        Empty for a clip without labels, which is trained on its questions alone. Without `maps`,
        only latents are read.
        """
        if not self.has(shard, clip_id):
            return {}
        store = self._store(self._folders[shard])
        wanted = self._names if maps else []
        found = {name: self._array(store, clip_id, name) for name in wanted}
        if self._latents:
            found[LATENTS] = store.latents(clip_id, self._teacher)
        return found

    def _stored(self, store: LabelStore, clip_id: str, name: str) -> tuple[str, ...]:
        if name == "rays_thw6" and not store.has(clip_id, self._teacher, name):
            return CAMERA
        return (name,)

    def _array(self, store: LabelStore, clip_id: str, name: str) -> np.ndarray:
        if self._stored(store, clip_id, name) == (name,):
            return store.get(clip_id, self._teacher, name)
        size_px, side = self._ray_grid.size_px, self._ray_grid.tokens_hw
        K, poses = (store.get(clip_id, self._teacher, part) for part in ("K_t33", CAMERA[1]))
        map_px = store.shape(clip_id, self._teacher, "depth_thw")[1]
        rays = rays_from_cameras(
            picture_intrinsics(K, size_px, map_px), poses, (size_px, size_px), (side, side)
        )
        return np.asarray(rays, np.float32)
