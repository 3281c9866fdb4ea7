"""Parameters: the one reader of `params.yaml` and of the environment.

Each section of the file is a frozen dataclass, checked when it is built: unknown, missing, mistyped
or out-of-range keys raise `ConfigError` with the section, the key and the allowed values.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from p4d.categories import CATEGORIES
from p4d.errors import ConfigError

Section = TypeVar("Section")


def _check(condition: bool, section: object, message: str) -> None:
    if not condition:
        raise ConfigError(f"params.yaml, section {_section_name(type(section))}: {message}")


def _check_at_least_1(section: object, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        _check(value >= 1, section, f"{name} must be at least 1, got {value}")


def _check_seed(section: object, seed: int) -> None:
    # The range that every generator takes: torch wants 64 bits, numpy no negative numbers.
    _check(0 <= seed < 2**63, section, f"seed must be in [0, 2^63), got {seed}")


def _section_name(kind: type) -> str:
    return kind.__name__.removesuffix("Params").lower()


@dataclass(frozen=True, kw_only=True)
class WorldsParams:
    """The simulated corpus: how many videos, how large, how long."""

    seed: int
    videos: int
    size_px: int
    duration_s: float
    fps: float

    def __post_init__(self) -> None:
        _check_seed(self, self.seed)
        _check_at_least_1(self, "videos")
        _check(16 <= self.size_px <= 1024, self, "size_px must be in [16, 1024]")
        _check(self.size_px % 2 == 0, self, "size_px must be even (yuv420p video)")
        _check(0 < self.duration_s <= 60, self, "duration_s must be in (0, 60]")
        _check(1 <= self.fps <= 120, self, "fps must be in [1, 120]")


@dataclass(frozen=True, kw_only=True)
class LandingParams:
    """What may land, and when a shard is full."""

    max_clips_per_shard: int
    max_file_bytes: int
    max_duration_s: float

    def __post_init__(self) -> None:
        _check(
            1 <= self.max_clips_per_shard <= 256, self, "max_clips_per_shard must be in [1, 256]"
        )
        _check(self.max_file_bytes > 0, self, "max_file_bytes must be positive")
        _check(self.max_duration_s > 0, self, "max_duration_s must be positive")


@dataclass(frozen=True, kw_only=True)
class ClipsParams:
    """Clips on a time grid and the frames sampled from them."""

    size_px: int
    frames: int
    grid_hz: float
    max_clips_per_video: int
    max_reject_ratio: float
    min_contrast_levels: int
    min_motion_levels: float

    def __post_init__(self) -> None:
        _check(16 <= self.size_px <= 512, self, "size_px must be in [16, 512]")
        _check(2 <= self.frames <= 64 and self.frames % 2 == 0, self, "frames: even, in [2, 64]")
        _check(0 < self.grid_hz <= 60, self, "grid_hz must be in (0, 60]")
        _check_at_least_1(self, "max_clips_per_video")
        _check(0 <= self.max_reject_ratio <= 1, self, "max_reject_ratio must be in [0, 1]")
        _check(0 <= self.min_contrast_levels <= 255, self, "min_contrast_levels: [0, 255]")
        _check(self.min_motion_levels >= 0, self, "min_motion_levels must not be negative")

    @property
    def length_ns(self) -> int:
        """Length of a clip in nanoseconds."""
        return round(self.frames / self.grid_hz * 1e9)


@dataclass(frozen=True, kw_only=True)
class ExpertParams:
    """The expert network and its training on worlds with exact truth.

    `checkpoint`: `embedded` takes the expert of p4d/teachers/embedded, and only the worlds that
    measure it are drawn; empty: one is trained.
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
        _check(self.checkpoint in ("", "embedded"), self, "checkpoint must be empty or embedded")
        _check_seed(self, self.seed)
        _check_at_least_1(self, "worlds", "holdout_worlds", "width", "blocks", "heads")
        _check_at_least_1(self, "patch_px", "tubelet", "map_px", "steps", "batch", "threads")
        _check(self.width % self.heads == 0, self, "width must be a multiple of heads")
        _check(
            bool(self.hooks) and all(1 <= h <= self.blocks for h in self.hooks),
            self,
            "hooks must name blocks, counted from 1",
        )
        _check(
            all(a < b for a, b in itertools.pairwise(self.hooks)),
            self,
            f"hooks must increase, got {list(self.hooks)}",
        )
        _check(self.learning_rate > 0, self, "learning_rate must be positive")


@dataclass(frozen=True, kw_only=True)
class LabelsParams:
    """Which teachers label the clips."""

    teachers: tuple[str, ...]
    batch: int
    threads: int

    def __post_init__(self) -> None:
        known = {"expert4d", "exact"}
        _check(set(self.teachers) <= known, self, f"teachers must be among {sorted(known)}")
        _check("expert4d" in self.teachers, self, "teachers must contain expert4d")
        _check_at_least_1(self, "batch", "threads")


@dataclass(frozen=True, kw_only=True)
class RegionsParams:
    """Which tracked objects become regions.

    `sources` are tried in order until one gives a usable region; where there is truth, only that
    counts. `checkpoint` needs `keywords` to look for, a `detector` and a `tracker`: folders or hub
    ids of transformers checkpoints.
    """

    sources: tuple[str, ...]
    keywords: tuple[str, ...]
    detector: str
    tracker: str
    detector_threshold: float
    threads: int
    max_regions: int
    min_area_px: int
    min_visible_frames: int
    motion_threshold: float

    def __post_init__(self) -> None:
        known = {"truth", "checkpoint", "motion"}
        _check(
            self.sources[:1] == ("truth",) and set(self.sources) <= known,
            self,
            f"sources must begin with truth and be among {sorted(known)}",
        )
        _check(
            "checkpoint" not in self.sources
            or bool(self.keywords and self.detector and self.tracker),
            self,
            "the source checkpoint needs keywords, detector and tracker",
        )
        _check(0 < self.detector_threshold < 1, self, "detector_threshold must be in (0, 1)")
        _check_at_least_1(self, "threads")
        _check(1 <= self.max_regions <= 9, self, "max_regions must be in [1, 9]")
        _check_at_least_1(self, "min_area_px", "min_visible_frames")
        _check(0 < self.motion_threshold < 1, self, "motion_threshold must be in (0, 1)")


@dataclass(frozen=True, kw_only=True)
class FactsParams:
    """From when on a movement counts."""

    moving_threshold_m: float
    turning_threshold_rad: float

    def __post_init__(self) -> None:
        _check(self.moving_threshold_m > 0, self, "moving_threshold_m must be positive")
        _check(self.turning_threshold_rad > 0, self, "turning_threshold_rad must be positive")


@dataclass(frozen=True, kw_only=True)
class QuestionsParams:
    """How certain an answer must be, and how many questions a clip may get.

    `families`: names of those that may ask; none: all.
    """

    margin_sigma: float
    options: int
    max_per_clip: int
    families: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.margin_sigma >= 1, self, "margin_sigma must be at least 1")
        _check(self.options in (4, 5), self, "options must be 4 or 5")
        _check_at_least_1(self, "max_per_clip")


@dataclass(frozen=True, kw_only=True)
class ReleaseParams:
    """Splits by source video and near-duplicate group."""

    test_fraction: float
    val_fraction: float
    duplicate_hamming_bits: int

    def __post_init__(self) -> None:
        _check(
            self.test_fraction > 0 and self.val_fraction >= 0,
            self,
            "test_fraction must be positive, val_fraction not negative",
        )
        _check(self.test_fraction + self.val_fraction < 0.9, self, "splits must leave a train part")
        _check(0 <= self.duplicate_hamming_bits <= 64, self, "duplicate_hamming_bits: [0, 64]")


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
        _check(self.architecture in known, self, f"architecture must be among {sorted(known)}")
        _check(self.region_prompt in ("marks", "tokens"), self, "region_prompt: marks or tokens")
        _check(self.answers in ("letter", "option"), self, "answers: letter or option")
        _check_seed(self, self.seed)
        _check_at_least_1(self, "vision_width", "vision_blocks", "vision_heads", "patch_px")
        _check_at_least_1(self, "text_width", "text_blocks", "text_heads")
        _check(
            self.vision_width % self.vision_heads == 0,
            self,
            "vision_width must be a multiple of vision_heads",
        )
        _check(self.vision_width % 2 == 0, self, "vision_width must be even (time encoding)")
        _check(
            self.text_width % (2 * self.text_heads) == 0,
            self,
            "text_width must be a multiple of 2 x text_heads (rotary positions)",
        )
        _check(self.vocabulary >= 300, self, "vocabulary must be at least 300 (bytes and marks)")


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
        _check_seed(self, self.seed)
        _check_at_least_1(self, "steps", "batch", "questions_per_clip", "threads")
        _check_at_least_1(self, "gradient_accumulation")
        _check(self.device in ("cpu", "cuda"), self, "device must be cpu or cuda")
        known = ("float32", "bfloat16")
        _check(self.precision in known, self, f"precision must be among {list(known)}")
        _check(
            self.batch % self.gradient_accumulation == 0,
            self,
            f"batch {self.batch} must be a multiple of gradient_accumulation "
            f"{self.gradient_accumulation}",
        )
        _check(self.save_steps >= 0, self, "save_steps must not be negative (0: no checkpoints)")
        ways = ("full", "frozen_encoder", "lora")
        _check(self.trainable in ways, self, f"trainable must be among {list(ways)}")
        _check(self.learning_rate > 0, self, "learning_rate must be positive")
        _check(0 <= self.warmup_fraction < 1, self, "warmup_fraction must be in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class DistillationParams:
    """The P4D terms (paper section 3.3; weights of presets: p4d/students/losses.py).

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
        _check(self.preset in presets, self, f"preset must be among {sorted(presets)}")
        _check(self.target_ratio >= 0, self, "target_ratio must not be negative")
        _check(self.hidden_width >= 0, self, "hidden_width must not be negative; 0 is linear")
        _check(self.student_layer >= -1, self, "student_layer must be -1 or more")
        known = {"depth", "flow", "motion", "rays"}
        _check(set(self.modalities) <= known, self, f"modalities must be among {sorted(known)}")
        _check(self.teacher in ("expert4d", "exact"), self, "teacher must be expert4d or exact")
        _check(
            not (self.latents and self.teacher == "exact"),
            self,
            "teacher exact has no latents; set latents: false",
        )
        _check(self.latents or bool(self.modalities), self, "without latents name some modalities")
        _check_at_least_1(self, "maps_every")
        _check(0 <= self.warmup_fraction <= 1, self, "warmup_fraction must be in [0, 1]")
        _check(self.warmup_sft_weight >= 0, self, "warmup_sft_weight must not be negative")
        _check(
            0 < self.until_fraction <= 1 and self.warmup_fraction <= self.until_fraction,
            self,
            "until_fraction must be in (0, 1] and not end before the warm-up",
        )
        _check(self.unlabelled_clips >= 0, self, "unlabelled_clips must not be negative")
        _check(all(step >= 1 for step in self.look_steps), self, "look_steps count from 1")


@dataclass(frozen=True, kw_only=True)
class EvaluationParams:
    """Statistics of the evaluation."""

    bootstrap_samples: int
    confidence: float
    batch: int
    generated_questions: int
    threads: int

    def __post_init__(self) -> None:
        _check(self.bootstrap_samples >= 100, self, "bootstrap_samples must be at least 100")
        _check(0.5 < self.confidence < 1, self, "confidence must be in (0.5, 1)")
        _check(self.generated_questions >= 0, self, "generated_questions must not be negative")
        _check_at_least_1(self, "batch", "threads")


@dataclass(frozen=True, kw_only=True)
class PromotionParams:
    """When a challenger becomes champion.

    A first one must gain more than `first_min_gain_over_blind` over the control that sees no video,
    a later one more than `min_gain` over the champion; both by the lower bound of their interval.
    """

    min_gain: float
    first_min_gain_over_blind: float
    max_category_drop: float
    protected_categories: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(-1 <= self.min_gain <= 1, self, "min_gain must be in [-1, 1]")
        _check(
            -1 <= self.first_min_gain_over_blind <= 1,
            self,
            "first_min_gain_over_blind must be in [-1, 1]",
        )
        _check(0 <= self.max_category_drop <= 1, self, "max_category_drop must be in [0, 1]")
        unknown = sorted(set(self.protected_categories) - set(CATEGORIES))
        _check(
            not unknown,
            self,
            f"protected_categories: unknown {unknown}; known are {list(CATEGORIES)}",
        )


@dataclass(frozen=True, kw_only=True)
class Params:
    """All of `params.yaml`, one attribute per section."""

    worlds: WorldsParams
    landing: LandingParams
    clips: ClipsParams
    expert: ExpertParams
    labels: LabelsParams
    regions: RegionsParams
    facts: FactsParams
    questions: QuestionsParams
    release: ReleaseParams
    student: StudentParams
    training: TrainingParams
    distillation: DistillationParams
    evaluation: EvaluationParams
    promotion: PromotionParams

    def __post_init__(self) -> None:
        clips, expert, student = self.clips, self.expert, self.student
        divisible = [
            ("clips.size_px", clips.size_px, "expert.patch_px", expert.patch_px),
            ("clips.frames", clips.frames, "expert.tubelet", expert.tubelet),
        ]
        if not student.checkpoint:  # a checkpoint brings its own patches, and pictures are resized
            divisible.append(("clips.size_px", clips.size_px, "student.patch_px", student.patch_px))
        for name, value, of, part in divisible:
            if value % part:
                raise ConfigError(f"params.yaml: {name} {value} must be a multiple of {of} {part}")
        if self.distillation.teacher not in self.labels.teachers:
            raise ConfigError(
                f"params.yaml: distillation.teacher {self.distillation.teacher} is not among "
                f"labels.teachers {list(self.labels.teachers)}"
            )
        if self.distillation.unlabelled_clips % self.training.gradient_accumulation:
            raise ConfigError(
                "params.yaml: distillation.unlabelled_clips must be a multiple of "
                "training.gradient_accumulation"
            )

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> Params:
        """Build and check every section.

        Raises:
            ConfigError: a section or key is missing, unknown, mistyped or out of range.
        """
        kinds = typing.get_type_hints(cls)
        _check_names("params.yaml", "section", raw, kinds)
        return cls(**{name: _build(name, kind, raw[name]) for name, kind in kinds.items()})


def _check_names(
    where: str, what: str, given: Mapping[str, Any], known: Mapping[str, object]
) -> None:
    unknown, missing = sorted(set(given) - set(known)), sorted(set(known) - set(given))
    if unknown:
        raise ConfigError(f"{where}: unknown {what} {unknown}; known are {sorted(known)}")
    if missing:
        raise ConfigError(f"{where}: missing {what} {missing}")


def _build(name: str, kind: type[Section], raw: object) -> Section:
    if not isinstance(raw, Mapping):
        raise ConfigError(f"params.yaml, section {name}: expected keys and values, got {raw!r}")
    hints = typing.get_type_hints(kind)
    _check_names(f"params.yaml, section {name}", "key", raw, hints)
    return kind(**{key: _convert(f"{name}.{key}", hint, raw[key]) for key, hint in hints.items()})


def _convert(where: str, hint: Any, value: object) -> object:  # noqa: ANN401
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"params.yaml, {where}: expected a list, got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(where, inner, item) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"params.yaml, {where}: expected a finite number, got {value}")
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"params.yaml, {where}: expected {hint.__name__}, got {value!r}")
    return value


@dataclass(frozen=True)
class Project:
    """A checkout of the repository: where code, parameters and artifacts live."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project around `start` (default: `$P4D_ROOT`, else the working folder).

        Raises:
            ConfigError: no parent folder holds both `dvc.yaml` and `params.yaml`.
        """
        origin = start or Path(os.environ.get("P4D_ROOT", Path.cwd()))
        for folder in (origin.resolve(), *origin.resolve().parents):
            if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
                return cls(folder)
        raise ConfigError(
            f"{origin} is not inside a p4d project (no dvc.yaml and params.yaml above it); "
            "change into one or set P4D_ROOT"
        )

    @cached_property
    def raw_params(self) -> dict[str, Any]:
        """`params.yaml` as plain values, for hashing."""
        try:
            loaded = yaml.safe_load((self.root / "params.yaml").read_text())
        except yaml.YAMLError as error:
            raise ConfigError(f"params.yaml is not valid YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError("params.yaml must hold sections")
        return loaded

    @cached_property
    def params(self) -> Params:
        """`params.yaml`, checked."""
        return Params.from_mapping(self.raw_params)

    @property
    def data(self) -> Path:
        """Artifacts, one folder per stage: `data/<stage>[/<shard>]`."""
        return self.root / "data"

    @property
    def inbox(self) -> Path:
        """The drop folder."""
        return self.root / "inbox"

    @property
    def shards_dir(self) -> Path:
        """Shard manifests, versioned by git."""
        return self.root / "shards"

    @property
    def state(self) -> Path:
        """Locks, journals and caches of the publisher; never an artifact."""
        return self.root / ".p4d"

    def shards(self) -> list[str]:
        """Ids of the closed shards, in landing order."""
        index = self.shards_dir / "index.yaml"
        loaded = yaml.safe_load(index.read_text()) if index.is_file() else None
        shards = (loaded or {}).get("shards", [])
        if not isinstance(shards, list) or not all(isinstance(s, str) for s in shards):
            raise ConfigError(f"{index}: expected a list of shard ids under `shards`")
        return shards


def replace_params(params: Params, **sections: Mapping[str, Any]) -> Params:
    """A copy with some keys changed, checked again: `replace_params(p, training={"steps": 2})`."""
    changed = {
        name: dataclasses.replace(getattr(params, name), **values)
        for name, values in sections.items()
    }
    return dataclasses.replace(params, **changed)
