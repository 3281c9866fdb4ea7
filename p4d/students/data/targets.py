"""Labels of a clip as training targets; only the arrays that are used are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from p4d.config.training import SOURCES
from p4d.errors import ContractError
from p4d.geometry.map_grid import picture_intrinsics, sample_flow, sample_map
from p4d.geometry.rays import rays_from_cameras
from p4d.students.data.samples import LATENTS, LabelReader
from p4d.teachers.labelling.sources import LabelSources
from p4d.teachers.labelling.store import LabelStore

ARRAYS_OF: Mapping[str, tuple[str, ...]] = {
    "depth": ("depth_thw", "valid_thw"),
    "flow": ("flow_px_thw2", "flow_valid_thw"),
    "motion": ("motion_thw", "valid_thw"),
    "rays": ("rays_thw6",),
}
"""Arrays of each modality: the label, then its validity if it has one."""

SOURCE_OF: Mapping[str, str] = {"depth": "depth", "flow": "flow", "motion": "motion"} | {
    "rays": "camera"
}
"""Key of `labels.sources` for each modality."""

CAMERA = ("world_T_cam_t44", "K_t33")
"""Arrays that rays are computed from if a teacher stores none."""


@dataclass(frozen=True, kw_only=True)
class RayGrid:
    """Rays pass through the centres of `tokens_hw` x `tokens_hw` tokens of a picture.

    `map_px`: side of the maps that the heads decode; maps of another size are sampled to it. None:
    maps stay as they are.
    """

    size_px: int
    tokens_hw: int
    map_px: int | None = None


class StoredLabelReader(LabelReader):
    """Latents and explicit labels of a clip, from the shards of the stage `labels`.

    The labels are those of one teacher. For teacher `sources` each modality is that of the first
    teacher of `labels.sources` that has it.
    """

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
            teacher: name of the teacher, or `sources`.
            modalities: explicit modalities, see `ARRAYS_OF`.
            latents: whether latents are read, too.
            ray_grid: for a teacher that stores cameras and no rays, and the size of the maps.
        """
        self._folders, self._teacher = folders, teacher
        self._latents, self._ray_grid = latents, ray_grid
        self._modalities = tuple(modalities)
        self._sources = cache(LabelSources)

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the clip has labels of every modality; a teacher may fail on single clips.

        Raises:
            ContractError: the shard is not among the inputs.
        """
        if shard not in self._folders:
            raise ContractError(f"clip {clip_id}: no labels of shard {shard} among the inputs")
        sources = self._sources(self._folders[shard])
        if self._latents and not sources.store.has_latents(clip_id, self._teacher):
            return False
        return all(self._by(sources, clip_id, name) is not None for name in self._modalities)

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """`latents` `[H, t, h, w, D]` float16 and the arrays of the modalities, masks as bool.

        Empty for a clip without labels, which is trained on its questions alone. Without `maps`,
        only latents are read.
        """
        if not self.has(shard, clip_id):
            return {}
        sources = self._sources(self._folders[shard])
        found: dict[str, np.ndarray] = {}
        for name in self._modalities if maps else ():
            teacher = self._by(sources, clip_id, name)
            assert teacher is not None  # `has`
            for array, values in self._arrays(sources, clip_id, teacher, name).items():
                # Depth and motion are compared where both are valid.
                both = array == "valid_thw" and array in found
                found[array] = found[array] & values if both else values
        if self._latents:
            found[LATENTS] = sources.store.latents(clip_id, self._teacher)
        return found

    def _by(self, sources: LabelSources, clip_id: str, modality: str) -> str | None:
        """The teacher whose modality is read."""
        several = self._teacher == SOURCES
        names = sources.order(SOURCE_OF[modality]) if several else (self._teacher,)
        return next((one for one in names if self._can(sources, clip_id, one, modality)), None)

    def _arrays(
        self, sources: LabelSources, clip_id: str, teacher: str, modality: str
    ) -> dict[str, np.ndarray]:
        """The arrays of one modality, at the size of the heads' maps."""
        store, map_px = sources.store, self._ray_grid.map_px
        if modality == "rays":
            return {"rays_thw6": self._rays(sources, clip_id, teacher)}
        found = {
            name: store.get(clip_id, teacher, name)
            for name in ARRAYS_OF[modality]
            if store.has(clip_id, teacher, name)
        }
        label = ARRAYS_OF[modality][0]
        if modality == "motion":  # a teacher of motion alone knows it everywhere
            found.setdefault("valid_thw", np.ones(found[label].shape, bool))
        if map_px is None or found[label].shape[1] == map_px:
            return found
        resize = {"flow_px_thw2": sample_flow}
        return {name: resize.get(name, sample_map)(each, map_px) for name, each in found.items()}

    def _rays(self, sources: LabelSources, clip_id: str, teacher: str) -> np.ndarray:
        store, side = sources.store, self._ray_grid.tokens_hw
        if self._has_rays(store, clip_id, teacher):
            return store.get(clip_id, teacher, "rays_thw6")
        size_px = self._ray_grid.size_px
        poses, K = (store.get(clip_id, teacher, part) for part in CAMERA)
        map_px = sources.map_px(clip_id, teacher)
        rays = rays_from_cameras(
            picture_intrinsics(K, size_px, map_px), poses, (size_px, size_px), (side, side)
        )
        return np.asarray(rays, np.float32)

    def _can(self, sources: LabelSources, clip_id: str, teacher: str, modality: str) -> bool:
        """Whether a teacher's label of a clip can be compared with what heads decode."""
        store = sources.store
        if modality == "rays":
            whole = all(store.has(clip_id, teacher, part) for part in CAMERA)
            return whole or self._has_rays(store, clip_id, teacher)
        if modality == "depth" and not sources.is_planar(clip_id, teacher):
            return False
        return store.has(clip_id, teacher, ARRAYS_OF[modality][0])

    def _has_rays(self, store: LabelStore, clip_id: str, teacher: str) -> bool:
        """Whether rays are stored on the wanted grid."""
        name = "rays_thw6"
        if not store.has(clip_id, teacher, name):
            return False
        return store.shape(clip_id, teacher, name)[1] == self._ray_grid.tokens_hw
