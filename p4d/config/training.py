"""Sections student, training and distillation."""

from __future__ import annotations

from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1, check_seed
from p4d.config.teaching import LATENT_TEACHERS, TEACHERS


@dataclass(frozen=True, kw_only=True)
class StudentParams:
    """The student network, built from a transformers video-language architecture.

    `checkpoint` is a folder of weights and tokenizer to start from; empty: from scratch.
    `region_prompt`: how regions reach it, `marks` (drawn on a picture that precedes the clip) or
    `tokens` (their first-frame masks tie the tokens `<obj_k>` to visual tokens).
    `answers`: what it says, the `letter` of an option or the `option` itself.
    """

    architecture: str
    checkpoint: str
    region_prompt: str
    answers: str
    seed: int
    vision_width: int
    vision_blocks: int
    vision_heads: int
    patch_px: int
    text_width: int
    text_blocks: int
    text_heads: int
    vocabulary: int

    def __post_init__(self) -> None:
        known = {"llava_onevision", "qwen2_5_vl", "qwen3_vl"}
        check(self.architecture in known, self, f"architecture must be among {sorted(known)}")
        check(self.region_prompt in ("marks", "tokens"), self, "region_prompt: marks or tokens")
        check(self.answers in ("letter", "option"), self, "answers: letter or option")
        check_seed(self, self.seed)
        check_at_least_1(self, "vision_width", "vision_blocks", "vision_heads", "patch_px")
        check_at_least_1(self, "text_width", "text_blocks", "text_heads")
        check(
            self.vision_width % self.vision_heads == 0,
            self,
            "vision_width must be a multiple of vision_heads",
        )
        check(self.vision_width % 2 == 0, self, "vision_width must be even (time encoding)")
        check(
            self.text_width % (2 * self.text_heads) == 0,
            self,
            "text_width must be a multiple of 2 x text_heads (rotary positions)",
        )
        check(self.vocabulary >= 300, self, "vocabulary must be at least 300 (bytes and marks)")


@dataclass(frozen=True, kw_only=True)
class TrainingParams:
    """The budget of one training run; equal for every arm.

    `batch` clips make one optimizer step, whatever they are split into: gradient accumulation and
    processes change where and when they are computed, not what is learned.
    """

    seed: int
    steps: int
    batch: int
    questions_per_clip: int
    learning_rate: float
    warmup_fraction: float
    threads: int
    device: str
    precision: str
    gradient_accumulation: int
    gradient_checkpointing: bool
    save_steps: int
    trainable: str

    def __post_init__(self) -> None:
        check_seed(self, self.seed)
        check_at_least_1(self, "steps", "batch", "questions_per_clip", "threads")
        check_at_least_1(self, "gradient_accumulation")
        check(self.device in ("cpu", "cuda"), self, "device must be cpu or cuda")
        known = ("float32", "bfloat16")
        check(self.precision in known, self, f"precision must be among {list(known)}")
        check(
            self.batch % self.gradient_accumulation == 0,
            self,
            f"batch {self.batch} must be a multiple of gradient_accumulation "
            f"{self.gradient_accumulation}",
        )
        check(self.save_steps >= 0, self, "save_steps must not be negative (0: no checkpoints)")
        ways = ("full", "frozen_encoder", "lora")
        check(self.trainable in ways, self, f"trainable must be among {list(ways)}")
        check(self.learning_rate > 0, self, "learning_rate must be positive")
        check(0 <= self.warmup_fraction < 1, self, "warmup_fraction must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class DistillationParams:
    """The P4D terms (paper section 3.3; weights of presets: p4d/students/distillation/losses.py).

    `teacher: exact` distils truth where clips have it; truth has no latents. `student_layer` says
    which hidden states of visual tokens are compared: -1 the last ones (paper), 0 what enters the
    language model, where questions about regions pick it up, k what its k-th block gives. In the
    first `warmup_fraction` of the steps the SFT loss counts `warmup_sft_weight`; after the first
    `until_fraction` nothing is distilled any more, and a step costs what one of SFT does.
    `unlabelled_clips` are clips per step, beyond the batch, that nobody asks about: they are
    distilled only. Of every `maps_every` clips one is compared in the maps of its modalities, all
    in their latents.
    """

    teacher: str
    latents: bool
    modalities: tuple[str, ...]
    maps_every: int
    student_layer: int
    preset: str
    target_ratio: float
    hidden_width: int
    warmup_fraction: float
    warmup_sft_weight: float
    until_fraction: float
    unlabelled_clips: int
    look_steps: tuple[int, ...]

    def __post_init__(self) -> None:
        presets = {"paper", "release", "auto"}
        check(self.preset in presets, self, f"preset must be among {sorted(presets)}")
        check(self.target_ratio >= 0, self, "target_ratio must not be negative")
        check(self.hidden_width >= 0, self, "hidden_width must not be negative; 0 is linear")
        check(self.student_layer >= -1, self, "student_layer must be -1 or more")
        known = {"depth", "flow", "motion", "rays"}
        check(set(self.modalities) <= known, self, f"modalities must be among {sorted(known)}")
        check(self.teacher in TEACHERS, self, f"teacher must be among {list(TEACHERS)}")
        check(
            not self.latents or self.teacher in LATENT_TEACHERS,
            self,
            f"teacher {self.teacher} has no latents; set latents: false",
        )
        check(self.latents or bool(self.modalities), self, "without latents name some modalities")
        check_at_least_1(self, "maps_every")
        check(0 <= self.warmup_fraction <= 1, self, "warmup_fraction must be in [0, 1]")
        check(self.warmup_sft_weight >= 0, self, "warmup_sft_weight must not be negative")
        check(
            0 < self.until_fraction <= 1 and self.warmup_fraction <= self.until_fraction,
            self,
            "until_fraction must be in (0, 1] and not end before the warm-up",
        )
        check(self.unlabelled_clips >= 0, self, "unlabelled_clips must not be negative")
        check(all(step >= 1 for step in self.look_steps), self, "look_steps count from 1")
