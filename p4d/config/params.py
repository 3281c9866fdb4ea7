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
from p4d.config.labelling import LabelsParams
from p4d.config.section import build_section, check_names
from p4d.config.teaching import ExpertParams
from p4d.config.training import SOURCES, DistillationParams, StudentParams, TrainingParams
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
        self._check_distilled()
        if self.distillation.unlabelled_clips % self.training.gradient_accumulation:
            raise ConfigError(
                "params.yaml: distillation.unlabelled_clips must be a multiple of "
                "training.gradient_accumulation"
            )

    def _check_distilled(self) -> None:
        """What is distilled must be given by a teacher that labels."""
        labels, asked = self.labels, self.distillation
        names = (*labels.teachers, SOURCES)
        if asked.teacher not in names:
            raise ConfigError(
                f"params.yaml: distillation.teacher {asked.teacher} is not among labels.teachers "
                f"{list(labels.teachers)}, nor {SOURCES}"
            )
        if asked.teacher == SOURCES:
            given = frozenset(labels.sources)
        else:
            given = labels.gives(asked.teacher)
        wanted = {"camera" if name == "rays" else name for name in asked.modalities}
        if asked.latents and "latents" not in given:
            raise ConfigError(
                f"params.yaml: distillation.teacher {asked.teacher} has no latents; set "
                "distillation.latents: false"
            )
        if wanted - given:
            raise ConfigError(
                f"params.yaml: distillation.teacher {asked.teacher} gives no "
                f"{', '.join(sorted(wanted - given))}; remove it from distillation.modalities"
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
