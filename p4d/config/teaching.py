"""Section expert: the network of this project that labels clips."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1, check_seed


@dataclass(frozen=True, kw_only=True)
class ExpertParams:
    """The expert network and its training on worlds with exact truth.

    `checkpoint`: `embedded` copies the expert of p4d/teachers/expert4d/embedded, and only the
    held-out worlds are rendered; empty: one is trained. `size_px`: side of the frames that it
    reads, made from the same frames as the student's; 0: clips.size_px. Sizes of the network and
    values of the training run are described in params.yaml.
    """

    checkpoint: str
    size_px: int
    seed: int
    worlds: int
    holdout_worlds: int
    width: int
    blocks: int
    heads: int
    hooks: tuple[int, ...]
    patch_px: int
    tubelet: int
    map_px: int
    stem_channels: int
    head_channels: int
    detail_channels: int
    steps: int
    batch: int
    learning_rate: float
    muon_rate: float
    adam_betas: tuple[float, ...]
    weight_decay: float
    warmup_fraction: float
    max_gradient_norm: float
    depth_weight: float
    flow_weight: float
    motion_weight: float
    rays_weight: float
    moving_weight: float
    map_beta: float
    ray_beta: float
    mirror_share: float
    gamma_range: float
    gain_range: float
    threads: int

    def __post_init__(self) -> None:
        check(self.checkpoint in ("", "embedded"), self, "checkpoint must be empty or embedded")
        check(self.size_px == 0 or 16 <= self.size_px <= 512, self, "size_px: 0, or in [16, 512]")
        check_seed(self, self.seed)
        check_at_least_1(self, "worlds", "holdout_worlds", "width", "blocks", "heads")
        check_at_least_1(self, "patch_px", "tubelet", "map_px", "steps", "batch", "threads")
        check(self.width % self.heads == 0, self, "width must be a multiple of heads")
        check(
            bool(self.hooks) and all(1 <= h <= self.blocks for h in self.hooks),
            self,
            "hooks must name blocks, counted from 1",
        )
        check(
            all(a < b for a, b in itertools.pairwise(self.hooks)),
            self,
            f"hooks must increase, got {list(self.hooks)}",
        )
        check_at_least_1(self, "stem_channels", "head_channels", "detail_channels")
        check(self.stem_channels % 2 == 0, self, "stem_channels must be even")
        for name in ("learning_rate", "muon_rate", "max_gradient_norm", "map_beta", "ray_beta"):
            check(getattr(self, name) > 0, self, f"{name} must be positive")
        check(
            len(self.adam_betas) == 2 and all(0 <= beta < 1 for beta in self.adam_betas),
            self,
            f"adam_betas must be two numbers in [0, 1), got {list(self.adam_betas)}",
        )
        for name in ("weight_decay", "gamma_range", "gain_range", *self._weights()):
            check(getattr(self, name) >= 0, self, f"{name} must not be negative")
        check(0 < self.warmup_fraction < 1, self, "warmup_fraction must be in (0, 1)")
        check(0 <= self.mirror_share <= 1, self, "mirror_share must be in [0, 1]")

    @staticmethod
    def _weights() -> tuple[str, ...]:
        return ("depth_weight", "flow_weight", "motion_weight", "rays_weight", "moving_weight")
