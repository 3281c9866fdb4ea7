"""The parameters of a project.

`params.yaml` is the only place for values that change a result. Each of its sections is a frozen
dataclass here, checked when it is built: an unknown, missing, mistyped or out-of-range key raises
`ConfigError` with the section, the key and the allowed values. Sections are grouped by the step of
the flow that reads them: `corpus`, `teaching`, `labelling`, `asking`, `training`, `evaluation`.
Settings that change no result do not belong here, nor do paths: those are in `p4d/project.py`.
"""

from p4d.config.asking import FactsParams, QuestionsParams, RegionsParams, ReleaseParams
from p4d.config.corpus import (
    ClipsParams,
    ExternalParams,
    LandingParams,
    ShotsParams,
    WorldsParams,
)
from p4d.config.evaluation import EvaluationParams, PromotionParams
from p4d.config.labelling import LabelsParams, TeacherParams
from p4d.config.params import Params, replace_params
from p4d.config.teaching import ExpertParams
from p4d.config.training import DistillationParams, StudentParams, TrainingParams

__all__ = [
    "ClipsParams",
    "DistillationParams",
    "EvaluationParams",
    "ExpertParams",
    "ExternalParams",
    "FactsParams",
    "LabelsParams",
    "LandingParams",
    "Params",
    "PromotionParams",
    "QuestionsParams",
    "RegionsParams",
    "ReleaseParams",
    "ShotsParams",
    "StudentParams",
    "TeacherParams",
    "TrainingParams",
    "WorldsParams",
    "replace_params",
]
