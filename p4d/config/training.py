"""Sections student, training and distillation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1, check_seed

ATTENTION = ("sdpa", "eager", "flex_attention", "flash_attention_2")


@dataclass(frozen=True, kw_only=True)
class StudentParams:
    """The student network, built from a transformers video-language architecture.

    Attributes:
        architecture: family of a student from scratch (p4d/students/model/adapters).
        checkpoint: `embedded` or `embedded_tuned` (p4d/students/embedded), a folder or Hub id of
            weights and tokenizer to start from, or empty: from scratch, with the sizes below.
        region_prompt: `marks`, regions are drawn on a picture that precedes the clip, or `tokens`,
            their first-frame masks tie the tokens `<obj_k>` to visual tokens.
        region_content_scale: norm of what a region shows, relative to the norm of the embedding of
            `<obj_k>` (region_prompt `tokens`).
        region_place_scale: the same for the place of the region.
        answers: the student answers with the `letter` of an option or the text of the `option`.
        time: what tells the times of frames: `tpe` (the encoding of the paper), `text` (a
            sentence), `burned_in` (drawn into each frame) or `none`.
        seed: draws the initial weights, and the embeddings of new tokens.
        vision_width: channels of the vision encoder; even, for the time encoding.
        vision_mlp_ratio: hidden width of its MLPs, in multiples of `vision_width`.
        text_mlp_ratio: the same for the language model.
        vocabulary: largest number of tokens of a tokenizer that is trained.
        tokenizer_min_frequency: occurrences that a pair of tokens needs to be merged.
    """

    architecture: str
    checkpoint: str
    region_prompt: str
    region_content_scale: float
    region_place_scale: float
    answers: str
    time: str
    seed: int
    vision_width: int
    vision_blocks: int
    vision_heads: int
    vision_mlp_ratio: int
    patch_px: int
    text_width: int
    text_blocks: int
    text_heads: int
    text_mlp_ratio: int
    vocabulary: int
    tokenizer_min_frequency: int

    def __post_init__(self) -> None:
        known = {"internvl", "llava_onevision", "qwen2_5_vl", "qwen3_vl"}
        check(self.architecture in known, self, f"architecture must be among {sorted(known)}")
        check(self.region_prompt in ("marks", "tokens"), self, "region_prompt: marks or tokens")
        times = ("tpe", "text", "burned_in", "none")
        check(self.time in times, self, f"time must be among {list(times)}")
        check(self.answers in ("letter", "option"), self, "answers: letter or option")
        check_seed(self, self.seed)
        check_at_least_1(self, "vision_width", "vision_blocks", "vision_heads", "patch_px")
        check_at_least_1(self, "text_width", "text_blocks", "text_heads")
        check_at_least_1(self, "vision_mlp_ratio", "text_mlp_ratio", "tokenizer_min_frequency")
        scales = (self.region_content_scale, self.region_place_scale)
        check(min(scales) >= 0, self, "region_*_scale must not be negative")
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
    """The budget and the optimizer (cosine schedule) of a run; equal for every arm.

    Attributes:
        batch: clips of one optimizer step, however it is divided: gradient accumulation and
            processes change where and when they are computed, not what is learned.
        mix: share of the rows of a run that are conversations of an external set, by its name
            (docs/external_questions.md); the others are clips with their questions.
        warmup_fraction: share of the steps in which the learning rate rises linearly to
            `learning_rate`.
        optimizer: `adamw`, or `muon`: Muon for the matrices of blocks and of the projector, AdamW
            for the rest. With `muon` the schedule starts again after steps that ask no question.
        muon_rate: learning rate of these matrices, in multiples of `learning_rate`.
        encoder_rate: learning rate of the vision encoder, likewise; only with `muon`.
        weight_decay: of both optimizers; biases and norms have none.
        adam_betas: decay of the first and second moment.
        max_gradient_norm: bound of the gradient norm.
        gradient_norms: `apart`, of student and perception decoder each, or `together` (paper).
        trainable: `full`, `frozen_encoder` (projector and language model), `language_model` (of the
            paper's released code) or `lora`.
        lora_rank: rank r of the updates (Hu et al. 2021).
        lora_alpha: the updates are scaled by alpha / r.
        lora_dropout: dropout of their inputs; above 0 the result depends on how a step is divided.
        lora_targets: names of linear layers in every block of the language model.
        precision: `bfloat16` is autocast; losses stay in float32.
        weights: type of the student's weights; with `bfloat16` the optimizer keeps a float32 copy
            of those that are trained, and its moments, in float32.
        attention: of the student's network: `sdpa`, `eager`, `flex_attention` (needs CUDA) or
            `flash_attention_2` (needs CUDA, its package, and `questions_per_clip: 1`).
        gradient_accumulation: parts in which the batch of a step is computed.
        save_steps: steps between checkpoints; 0: none are written.
    """

    seed: int
    steps: int
    batch: int
    questions_per_clip: int
    mix: Mapping[str, float]
    learning_rate: float
    warmup_fraction: float
    optimizer: str
    muon_rate: float
    encoder_rate: float
    weight_decay: float
    adam_betas: tuple[float, ...]
    max_gradient_norm: float
    gradient_norms: str
    threads: int
    device: str
    precision: str
    weights: str
    attention: str
    gradient_accumulation: int
    gradient_checkpointing: bool
    save_steps: int
    trainable: str
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    lora_targets: tuple[str, ...]

    def __post_init__(self) -> None:
        check_seed(self, self.seed)
        check_at_least_1(self, "steps", "batch", "questions_per_clip", "threads")
        check_at_least_1(self, "gradient_accumulation")
        shares = self.mix.values()
        check(all(0 < share < 1 for share in shares), self, "each share of mix must be in (0, 1)")
        check(sum(shares) < 1, self, "the shares of mix must leave room for clips: sum below 1")
        check(self.device in ("cpu", "cuda"), self, "device must be cpu or cuda")
        known = ("float32", "bfloat16")
        check(self.precision in known, self, f"precision must be among {list(known)}")
        check(self.weights in known, self, f"weights must be among {list(known)}")
        check(self.attention in ATTENTION, self, f"attention must be among {list(ATTENTION)}")
        check(
            self.attention != "flash_attention_2" or self.questions_per_clip == 1,
            self,
            "flash_attention_2 cannot separate packed questions: it needs questions_per_clip 1",
        )
        check(
            self.weights == "float32" or self.precision == "bfloat16",
            self,
            "weights bfloat16 need precision bfloat16",
        )
        optimizers = ("adamw", "muon")
        check(self.optimizer in optimizers, self, f"optimizer must be among {list(optimizers)}")
        check(
            self.optimizer == "adamw" or self.weights == "float32",
            self,
            "optimizer muon needs weights float32",
        )
        check(self.muon_rate > 0 and self.encoder_rate > 0, self, "rates must be positive")
        check(
            self.optimizer == "muon" or self.encoder_rate == 1.0,
            self,
            "encoder_rate needs optimizer muon",
        )
        norms = ("apart", "together")
        check(self.gradient_norms in norms, self, f"gradient_norms must be among {list(norms)}")
        check(
            self.batch % self.gradient_accumulation == 0,
            self,
            f"batch {self.batch} must be a multiple of gradient_accumulation "
            f"{self.gradient_accumulation}",
        )
        check(self.save_steps >= 0, self, "save_steps must not be negative (0: no checkpoints)")
        choices = ("full", "frozen_encoder", "language_model", "lora")
        check(self.trainable in choices, self, f"trainable must be among {list(choices)}")
        check_at_least_1(self, "lora_rank", "lora_alpha")
        check(0 <= self.lora_dropout < 1, self, "lora_dropout must be in [0, 1)")
        check(bool(self.lora_targets), self, "lora_targets must name some layers")
        check(self.weight_decay >= 0, self, "weight_decay must not be negative")
        check(self.max_gradient_norm > 0, self, "max_gradient_norm must be positive")
        betas = self.adam_betas
        check(
            len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
            self,
            f"adam_betas must be two numbers in [0, 1), got {list(betas)}",
        )
        check(self.learning_rate > 0, self, "learning_rate must be positive")
        check(0 <= self.warmup_fraction < 1, self, "warmup_fraction must be in [0, 1)")


SOURCES = "sources"
"""As `distillation.teacher`: each modality by the first teacher of `labels.sources` that has it."""


@dataclass(frozen=True, kw_only=True)
class DistillationParams:
    """The P4D terms (paper section 3.3; weights of presets: p4d/students/distillation/losses.py).

    Attributes:
        teacher: one of `labels.teachers`, or `sources`: for each modality of a clip the first of
            `labels.sources` that has it. `exact` and `sources` have no latents.
        latents: whether the latent term is computed.
        modalities: explicit terms, among depth, flow, motion and rays.
        maps_every: one of so many clips has its explicit maps compared; all have their latents
            compared.
        student_layer: which hidden states of visual tokens the decoder reads: -1 the last (paper),
            0 the input of the language model, from which regions are read, k the output of its
            k-th block.
        preset: weights of the terms: `paper`, `release` (of the paper's code) or `auto`.
        target_ratio: preset `auto`: all distillation terms together, in multiples of the SFT loss.
        region_share: preset `auto`: share in that of the region term, which compares latents under
            regions (p4d/students/distillation/regions.py); 0: there is none.
        auto_latent_share: preset `auto`: share of the latent term in the rest.
        auto_max_weight: preset `auto`: largest weight of a term.
        auto_calibration_steps: preset `auto`: steps after which the weights are frozen.
        auto_window_steps: preset `auto`: last steps whose magnitudes are averaged.
        losses: how the terms compare: `p4d`, `paper` or `release` (of the paper's code); see
            p4d/students/distillation/losses.py.
        hidden_width: of the decoder's MLPs; 0: one linear layer per hook.
        decoder_init: `xavier` (paper) or `normal`, deviation 0.1 (release).
        rearrange: `cover`, a token predicts all teacher tokens that it covers, from all slots of a
            tubelet, or `sample`, one slot per tubelet, resized to the teacher's grid (paper).
        warmup_fraction: share of the steps, from the first on, in which the SFT loss is weighted by
            `warmup_sft_weight`.
        until_fraction: share of the steps, from the first on, that distil; later steps cost as much
            as steps of SFT.
        unlabelled_clips: clips without questions per step, beyond the batch; distilled only.
        perception_steps: steps before those of `training.steps`, in which the encoder learns from
            the teacher alone, from `training.batch` clips of all labelled ones of the train split.
        perception_views: of each clip in these steps: 1, as it was filmed, or more: mirrored,
            reversed, enlarged (p4d/students/distillation/views.py); the expert labels each before.
        encoder: with which the arm begins: `base`, that of the base student, or `new`, an untrained
            one (p4d/students/training/new_encoder.py).
        probe_steps: steps after which predicted maps are kept, besides the last; empty: none.
        probe_clips: number of probed clips of the train split, and as many of the other splits.
    """

    teacher: str
    latents: bool
    modalities: tuple[str, ...]
    maps_every: int
    student_layer: int
    preset: str
    losses: str
    target_ratio: float
    auto_latent_share: float
    auto_max_weight: float
    auto_calibration_steps: int
    auto_window_steps: int
    hidden_width: int
    decoder_init: str
    rearrange: str
    warmup_fraction: float
    warmup_sft_weight: float
    until_fraction: float
    unlabelled_clips: int
    probe_steps: tuple[int, ...]
    probe_clips: int
    region_share: float = 0.0  # a file without it learns what it learned before it existed
    perception_steps: int = 0  # likewise
    perception_views: int = 1
    encoder: str = "base"

    def __post_init__(self) -> None:
        presets = {"paper", "release", "auto"}
        check(self.preset in presets, self, f"preset must be among {sorted(presets)}")
        forms = ("p4d", "paper", "release")
        check(self.losses in forms, self, f"losses must be among {list(forms)}")
        check(self.decoder_init in ("xavier", "normal"), self, "decoder_init: xavier or normal")
        check(self.rearrange in ("cover", "sample"), self, "rearrange must be cover or sample")
        check(self.target_ratio >= 0, self, "target_ratio must not be negative")
        check(self.hidden_width >= 0, self, "hidden_width must not be negative; 0 is linear")
        check(self.student_layer >= -1, self, "student_layer must be -1 or more")
        known = {"depth", "flow", "motion", "rays"}
        check(set(self.modalities) <= known, self, f"modalities must be among {sorted(known)}")
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
        check_at_least_1(self, "perception_views")
        check(
            self.perception_views == 1 or (self.latents and not self.modalities),
            self,
            "perception_views have latents and no maps: set latents: true, modalities: []",
        )
        check(self.encoder in ("base", "new"), self, "encoder must be base or new")
        check(self.perception_steps >= 0, self, "perception_steps must not be negative")
        check(all(step >= 1 for step in self.probe_steps), self, "probe_steps count from 1")
        check(0 <= self.auto_latent_share <= 1, self, "auto_latent_share must be in [0, 1]")
        check(0 <= self.region_share <= 1, self, "region_share must be in [0, 1]")
        check(
            not self.region_share or (self.preset == "auto" and self.latents),
            self,
            "region_share needs latents: true and preset: auto; others have no weight for it",
        )
        check(self.auto_max_weight > 0, self, "auto_max_weight must be positive")
        check_at_least_1(self, "auto_calibration_steps", "auto_window_steps", "probe_clips")
