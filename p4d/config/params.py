"""All sections of params.yaml and the checks between them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.config.asking import FactsParams, QuestionsParams, RegionsParams, ReleaseParams
from p4d.config.corpus import (
    ClipsParams,
    ExternalParams,
    LandingParams,
    ShotsParams,
    WorldsParams,
)
from p4d.config.evaluation import EvaluationParams, PromotionParams
from p4d.config.section import build_section, check_names
from p4d.config.teaching import ExpertParams, LabelsParams
from p4d.config.training import DistillationParams, StudentParams, TrainingParams
from p4d.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Params:
    """All of `params.yaml`, one attribute per section."""

    worlds: WorldsParams
    landing: LandingParams
    shots: ShotsParams
    clips: ClipsParams
    expert: ExpertParams
    labels: LabelsParams
    regions: RegionsParams
    facts: FactsParams
    questions: QuestionsParams
    release: ReleaseParams
    external: ExternalParams
    student: StudentParams
    training: TrainingParams
    distillation: DistillationParams
    evaluation: EvaluationParams
    promotion: PromotionParams

    def __post_init__(self) -> None:
        clips, expert, student = self.clips, self.expert, self.student
        divisible = [
            (
                "expert.size_px" if expert.size_px else "clips.size_px",
                expert.size_px or clips.size_px,
                "expert.patch_px",
                expert.patch_px,
            ),
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
        check_names("params.yaml", "section", raw, kinds)
        return cls(**{name: build_section(name, kind, raw[name]) for name, kind in kinds.items()})


def replace_params(params: Params, **sections: Mapping[str, Any]) -> Params:
    """A copy with some keys changed, checked again: `replace_params(p, training={"steps": 2})`."""
    changed = {
        name: dataclasses.replace(getattr(params, name), **values)
        for name, values in sections.items()
    }
    return dataclasses.replace(params, **changed)
