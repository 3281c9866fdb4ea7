"""Every setting of the recipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The recipe of an embedded student; its card records it.

    Attributes:
        reading_clips: first clips, whose facts and questions are read and give the tokenizer.
        held_out_clips: last clips, which are not trained on.
        tuning_steps: steps of the last lesson, questions about clips; 0: there is none.
        tuning_clips: clips of such a step, with `tuning_questions` questions each.
    """

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
    reading_clips: int = 600
    held_out_clips: int = 0
    tuning_steps: int = 0
    tuning_clips: int = 16
    tuning_questions: int = 4
    tuning_seed: int = 5


EMBEDDED_RECIPE = Recipe()
"""Of p4d/students/embedded."""

TUNED_RECIPE = Recipe(worlds=900, tubelet=8, held_out_clips=100, tuning_steps=1500)
"""Of p4d/students/embedded_tuned."""
