"""Sections expert and labels: the teacher."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1, check_seed


@dataclass(frozen=True, kw_only=True)
class ExpertParams:
    """The expert network and its training on worlds with exact truth.

    `checkpoint`: `embedded` takes the expert of p4d/teachers/expert4d/embedded, and only the
    worlds that measure it are drawn; empty: one is trained.
    """

    checkpoint: str
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
    steps: int
    batch: int
    learning_rate: float
    threads: int

    def __post_init__(self) -> None:
        check(self.checkpoint in ("", "embedded"), self, "checkpoint must be empty or embedded")
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
        check(self.learning_rate > 0, self, "learning_rate must be positive")


TEACHERS = ("expert4d", "exact")
"""The teachers that p4d/teachers/registry.py can make."""

LATENT_TEACHERS = ("expert4d",)
"""Those whose labels have latents."""


@dataclass(frozen=True, kw_only=True)
class LabelsParams:
    """Which teachers label the clips, and how many clips go through a teacher at once."""

    teachers: tuple[str, ...]
    batch: int
    threads: int

    def __post_init__(self) -> None:
        unknown = sorted(set(self.teachers) - set(TEACHERS))
        check(not unknown, self, f"teachers must be among {list(TEACHERS)}, not {unknown}")
        check("expert4d" in self.teachers, self, "teachers must contain expert4d")
        check_at_least_1(self, "batch", "threads")
