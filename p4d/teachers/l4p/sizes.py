"""Sizes of a network of the layout of L4P, from its config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json


@dataclass(frozen=True, kw_only=True)
class L4PConfig:
    """Sizes of the network.

    Raises:
        ContractError: they do not belong together.
    """

    size_px: int
    frames: int
    patch_px: int
    tubelet: int
    width: int
    blocks: int
    heads: int
    mlp_width: int
    hooks: tuple[int, ...]
    layer_widths: tuple[int, ...]
    feature_width: int

    def __post_init__(self) -> None:
        whole = (
            self.size_px % self.patch_px == 0
            and self.frames % (2 * self.tubelet) == 0
            and self.width % self.heads == 0
            and len(self.hooks) == len(self.layer_widths) == 4
            and all(1 <= hook <= self.blocks for hook in self.hooks)
            and all(a < b for a, b in pairwise(self.hooks))
        )
        if not whole:
            raise ContractError(f"sizes of an L4P network do not belong together: {asdict(self)}")

    @property
    def tokens_hw(self) -> int:
        """Tokens along one side of a frame."""
        return self.size_px // self.patch_px

    @classmethod
    def read(cls, path: Path) -> L4PConfig:
        """From a config.json.

        Raises:
            ContractError: it is damaged, or lacks a size.
        """
        found = read_foreign_json(path, max_bytes=1 << 16, name=str(path))
        names = cls.__dataclass_fields__
        if not isinstance(found, dict) or set(found) != set(names):
            raise ContractError(f"{path}: expected the keys {', '.join(names)}")
        sizes: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in found.items()
        }
        flat: list[object] = []
        for value in sizes.values():
            flat += value if isinstance(value, tuple) else [value]
        if not all(type(number) is int and 0 < number < 1 << 16 for number in flat):
            raise ContractError(f"{path}: every size must be a whole number from 1 to 65535")
        return cls(**sizes)


PUBLISHED = L4PConfig(
    size_px=224, frames=16, patch_px=14, tubelet=2, width=1408, blocks=40, heads=16,
    mlp_width=6144, hooks=(14, 21, 28, 36), layer_widths=(256, 512, 1024, 1024), feature_width=256,
)  # fmt: skip
"""Sizes of the published network."""
