"""Every setting of the recipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The recipe of the embedded student; its card records it."""

    first_world: int = 8_000_000
    worlds: int = 300
    worlds_per_shard: int = 150
    seed: int = 11
    vocabulary: int = 1280
    min_frequency: int = 2
    width: int = 96
    blocks: int = 4
    heads: int = 4
    mlp_ratio: int = 2
    vision_width: int = 128
    vision_blocks: int = 3
    vision_heads: int = 4
    vision_mlp_ratio: int = 4
    patch_px: int = 8
    tubelet: int = 4
    reading_steps: int = 900
    reading_rows: int = 32
    colour_steps: int = 100
    seeing_steps: int = 400
    clip_steps: int = 400
    stills: int = 24
    clips: int = 12
    questions: int = 6
    learning_rate: float = 3e-3
    seeing_rate: float = 2e-3
    weight_decay: float = 0.05
    adam_betas: tuple[float, float] = (0.9, 0.98)
    max_gradient_norm: float = 1.0
    text_loss_weight: float = 0.3
    visual_scale: float = 0.2
