"""The stages, in the order of the flow: what each reads and which function does the work.

Dagster assets, `dvc.yaml` and the command line are all derived from this table. Stages per shard
write `data/<stage>/<shard>/`, the others `data/<stage>/`.
"""

from __future__ import annotations

from collections.abc import Mapping

from p4d.errors import ContractError
from p4d.pipeline.stage import DvcPlot, Reopened, Stage


def _loss_curve(title: str, *terms: str) -> DvcPlot:
    return DvcPlot(
        file="curve.csv",
        x="step",
        y=("total", *terms),
        title=title,
        x_label="training step",
        y_label="loss (logarithmic)",
        template="losses",
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        name="videos",
        group="ingest",
        entry="p4d.video.ingest:build_videos",
        description="Landed source files, verified by content hash and by a full decode.",
        params=("landing", "clips", "shots"),
        per_shard=True,
        manifest=True,
        previous="optional",  # a source whose file left the inbox, taken by its hash
    ),
    Stage(
        name="clips",
        group="ingest",
        entry="p4d.video.clips:build_clips",
        description="Half-open clips on a time grid, with sampled frames and resampled truth.",
        inputs=("videos",),
        params=("landing", "clips"),
        per_shard=True,
    ),
    Stage(
        name="expert_worlds",
        group="teacher",
        entry="p4d.teachers.expert4d.training_worlds:build_expert_worlds",
        description="Simulated training scenes of the expert, with exact truth.",
        params=("clips", "expert"),
    ),
    Stage(
        name="expert",
        group="teacher",
        entry="p4d.teachers.expert4d.train:build_expert",
        description="The expert network: frozen weights and the card of its measured quality.",
        inputs=("expert_worlds",),
        params=("clips", "expert"),
    ),
    Stage(
        name="labels",
        group="labels",
        entry="p4d.teachers.labelling.label:build_labels",
        description="Depth, flow, motion, camera, latents per clip, with validity and statistics.",
        inputs=("videos", "clips", "expert"),
        params=("clips", "labels"),
        per_shard=True,
    ),
    Stage(
        name="regions",
        group="questions",
        entry="p4d.questions.regions.stage:build_regions",
        description="Tracked object masks and the marked picture of the first frame.",
        inputs=("videos", "clips", "labels"),
        params=("regions",),
        per_shard=True,
    ),
    Stage(
        name="facts",
        group="questions",
        entry="p4d.questions.facts.stage:build_facts",
        description="Measured quantities with unit, sigma, interval and frame of reference.",
        inputs=("clips", "labels", "regions"),
        params=("facts",),
        per_shard=True,
        extra_code=("p4d/questions/facts/calibration.json",),
    ),
    Stage(
        name="questions",
        group="questions",
        entry="p4d.questions.asking.stage:build_questions",
        description="Multiple-choice questions derived from facts, and the refused candidates.",
        inputs=("clips", "regions", "facts"),
        params=("questions", "release"),
        per_shard=True,
        extra_code=("p4d/questions/asking/families/phrasings.yaml",),
    ),
    Stage(
        name="release",
        group="release",
        entry="p4d.release.stage:build_release",
        description="Frozen shards, splits by source and near-duplicate group, and questions.",
        inputs=("clips", "expert", "labels", "regions", "questions"),
        params=("release",),
        pins="manifest.json",
        tracked=("reviews",),
    ),
    Stage(
        name="external",
        group="release",
        entry="p4d.external.stage:build_external",
        description="Other people's conversations from external/, with their media, checked.",
        params=("landing", "clips", "external"),
        tracked=("external",),
    ),
    Stage(
        name="mixture",
        group="release",
        entry="p4d.external.mixture:build_mixture",
        description="The external rows to train on and to hold out; none shows a held-out clip.",
        inputs=("release", "external"),
        pinned=("clips",),
        params=("release", "external"),
    ),
    Stage(
        name="base_student",
        group="students",
        entry="p4d.students.training.base_student:build_base_student",
        description="Tokenizer trained on the release and the initial weights all arms share.",
        inputs=("release",),
        params=("clips", "student"),
    ),
    Stage(
        name="student_sft",
        group="students",
        entry="p4d.students.training.stages:build_sft",
        description="Student trained on the questions alone.",
        inputs=("release", "external", "mixture", "base_student"),
        pinned=("clips", "regions"),
        params=("clips", "training"),
        plots=(_loss_curve("SFT student: loss"),),
    ),
    Stage(
        name="student_p4d",
        group="students",
        entry="p4d.students.training.stages:build_p4d",
        description="Student trained on the same questions, with latent and explicit distillation.",
        inputs=("release", "external", "mixture", "base_student"),
        pinned=("clips", "regions", "labels", "expert"),
        params=("clips", "training", "distillation"),
        plots=(
            _loss_curve(
                "P4D student: loss and its terms",
                *("sft", "latent", "depth", "flow", "motion", "rays"),
            ),
        ),
    ),
    Stage(
        name="student_blind",
        group="students",
        entry="p4d.students.training.stages:build_blind",
        description="The control that reads the questions and sees no video.",
        inputs=("release", "external", "mixture", "base_student"),
        params=("clips", "training"),
        plots=(_loss_curve("Blind student: loss"),),
    ),
    Stage(
        name="evaluation",
        group="evaluation",
        entry="p4d.evaluation.arms.compare_arms:build_evaluation",
        description="Answers of every arm to held-out questions, with intervals and comparisons.",
        inputs=(
            "release",
            "external",
            "mixture",
            "base_student",
            "student_sft",
            "student_p4d",
            "student_blind",
        ),
        pinned=("clips", "regions"),
        params=("clips", "evaluation"),
        metrics=("metrics.json",),
        plots=(
            DvcPlot(
                file="by_category.csv",
                x="accuracy",
                y=("category",),
                title="Accuracy by category and arm, 95 % intervals; red: chance",
                x_label="accuracy",
                y_label="category",
                template="accuracy",
            ),
        ),
    ),
    Stage(
        name="champion",
        group="evaluation",
        entry="p4d.evaluation.arms.promotion:build_champion",
        description="The promotion decision with its evidence, appended to the champion ledger.",
        inputs=("release", "evaluation", "student_p4d"),
        pinned=("clips", "regions"),  # for a champion that answers changed questions again
        params=("clips", "promotion", "evaluation"),
        previous="required",
        reopens=Reopened(stage="student_p4d", file="decision.json", key="champion"),
    ),
)

BY_NAME: Mapping[str, Stage] = {stage.name: stage for stage in STAGES}


def stage_named(name: str) -> Stage:
    """Look a stage up; an unknown name raises with the known ones."""
    if name not in BY_NAME:
        raise ContractError(f"no stage called {name!r}; stages: {', '.join(BY_NAME)}")
    return BY_NAME[name]
