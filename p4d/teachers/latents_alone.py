"""A teacher of latents without heads, known by the labels that it wrote: no network is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from p4d.errors import ContractError
from p4d.teachers.labelling.sources import LabelSources
from p4d.teachers.protocol import DenseMaps

if TYPE_CHECKING:
    from torch import Tensor


class LatentsAlone:
    """The shape and the digest of stored latents, in the place of their network.

    Attributes:
        name: of the teacher.
        digest: of its weights and settings, as the labels record it.
        latent_shape: of one clip, [H, T / tubelet, h, w, D].
        map_px: 0, as there are no maps.
    """

    map_px = 0

    def __init__(self, name: str, clips: Mapping[str, str], labels: Mapping[str, Path]) -> None:
        """Find the teacher in the labels of some clips.

        Args:
            name: of the teacher.
            clips: shard by clip.
            labels: folder of the labels by shard.

        Raises:
            ContractError: no clip has latents of this teacher, or shards were labelled by different
                weights or settings under its name.
        """
        self.name = name
        opened = {shard: LabelSources(folder) for shard, folder in labels.items()}
        digests: set[str] = set()
        shape_of: dict[str, tuple[int, int, int, int, int]] = {}  # of a clip of each shard
        for clip_id, shard in sorted(clips.items()):
            if opened[shard].store.has_latents(clip_id, name):
                digests.add(str(opened[shard].row(clip_id, name)["teacher_digest"]))
                if shard not in shape_of:
                    hooks, t, h, w, width = opened[shard].store.latents(clip_id, name).shape
                    shape_of[shard] = (hooks, t, h, w, width)
        shapes = set(shape_of.values())
        if not digests:
            raise ContractError(
                f"no train clip has latents of {name}; see `reason` in labels/*/index.parquet"
            )
        if len(digests) > 1 or len(shapes) > 1:
            raise ContractError(
                f"the train clips have latents of {name} by {len(digests)} states of its weights "
                f"and settings, of shapes {sorted(shapes)}; label all shards again"
            )
        (self.digest,) = digests
        (self._shape,) = shapes

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the latents of one clip, [H, T / tubelet, h, w, D]."""
        return self._shape

    def encode(self, rgb_bthw3: Tensor) -> Tensor:
        """Refuse: the latents were computed when the clips were labelled."""
        raise ContractError(f"{self.name}: its network is not loaded; its latents are in labels")

    def decode(self, latents: Tensor) -> DenseMaps:
        """Refuse: it has no heads."""
        raise ContractError(f"{self.name} has no heads; set distillation.modalities: []")

    def to(self, device: str) -> object:
        """Nothing lies on a device."""
        return self
