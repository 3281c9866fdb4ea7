"""The runs of the benchmark: which arms, controls and ablations, and what each changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.machine import CHECKOUT
from p4d.config import Params, replace_params
from p4d.project import Project
from p4d.students.embedded import CORE_FAMILIES

RELEASES = ("release_timed", "release_perfect_facts", "release_all_facts")
CLIPS = ("clips_first_frame", "clips_timeless", "clips_burned")
"""Variants of release and clips, made by `variants.py`."""

REPORTED_ON_R4D_WORLD = ("sft", "p4d")
"""Arms that also answer R4D-World; they run first, however little time there is."""

TEACHER_FEATURES = "teacher_given"
"""The control of `teacher_features.py`, which is not a stage. The recorded name is kept."""

PROBE_STEPS = (50, 300, 600)
"""Steps whose predictions are pictured, besides the last one."""

EXACT = {"teacher": "exact", "latents": False, "maps_every": 1}
ONE_QUESTION_PER_ROW = {"batch": 64, "questions_per_clip": 1}
"""As many questions per step as the arms, one per row, as text-only rows share no clip."""

FACTS_IN_TEXT = {"batch": 32, "questions_per_clip": 1}
"""Half as many questions per step, because facts are long."""


@dataclass(frozen=True)
class RunSpec:
    """One training run.

    Attributes:
        arm: name of the arm, control or ablation.
        seed: of data order and decoder.
        stage: student_sft | student_p4d | student_blind | TEACHER_FEATURES.
        length: steps as a share of the full length.
        distillation: changed keys of the section `distillation`.
        training: changed keys of the section `training`.
        release: variant of the questions.
        clips: variant of the clips.
        role: arm | control | ablation.
    """

    arm: str
    seed: int = 0
    stage: str = "student_sft"
    length: float = 1.0
    distillation: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    release: str = "release"
    clips: str = "clips"
    role: str = "arm"

    @property
    def name(self) -> str:
        """Name of the files of the run."""
        return f"{self.arm}-{self.seed}"


def plan(seeds: int, p4d_over_sft: float) -> list[RunSpec]:
    """Return all runs, the most important first.

    Args:
        seeds: number of seeds of the arms.
        p4d_over_sft: time of a whole P4D run over that of an SFT run.
    """
    runs = [
        RunSpec(arm, seed, stage)
        for seed in range(seeds)
        for arm, stage in (("sft", "student_sft"), ("p4d", "student_p4d"))
    ]
    runs += [
        RunSpec("p4d_equal_time", seed, "student_p4d", length=min(1.0, 1 / p4d_over_sft))
        for seed in range(seeds)
    ]
    runs += [RunSpec("p4d_exact", 0, "student_p4d", distillation=EXACT)]
    blind, control = "student_blind", "control"
    facts: dict[str, Any] = {"stage": blind, "training": FACTS_IN_TEXT, "role": control}
    runs += [
        RunSpec("text_only", stage=blind, training=ONE_QUESTION_PER_ROW, role=control),
        RunSpec(
            "text_and_time",
            stage=blind,
            training=ONE_QUESTION_PER_ROW,
            release="release_timed",
            role=control,
        ),
        RunSpec("regions_only", clips="clips_first_frame", role=control),
        RunSpec("teacher_features", stage=TEACHER_FEATURES, role=control),
        RunSpec("perfect_facts", release="release_perfect_facts", **facts),
        RunSpec("all_facts", release="release_all_facts", length=3.0, **facts),
    ]
    runs += [
        RunSpec("p4d_exact", seed, "student_p4d", distillation=EXACT) for seed in range(1, seeds)
    ]
    ablation = partial(RunSpec, stage="student_p4d", role="ablation")
    runs += [
        ablation("latent_only", distillation={"modalities": ()}),
        ablation("explicit_only", distillation={"latents": False}),
        *(
            ablation(f"latent_{name}", distillation={"modalities": (name,)})
            for name in ("depth", "flow", "motion", "rays")
        ),
        ablation("time_none", clips="clips_timeless"),
        ablation("time_in_text", clips="clips_timeless", release="release_timed"),
        ablation("time_burned_in", clips="clips_burned"),
        ablation("to_the_end", distillation={"until_fraction": 1.0}),
    ]
    return runs


def settings(steps: int, run: RunSpec) -> Params:
    """Return the project's parameters for one thread, with the changes of the run."""
    params = Project(CHECKOUT).params
    return replace_params(
        params,
        student={"checkpoint": "embedded"},
        expert={"checkpoint": "embedded"},
        release={"test_fraction": 0.10, "val_fraction": 0.0},
        questions={"families": CORE_FAMILIES},
        training={
            "steps": round(steps * run.length),
            "seed": params.training.seed + run.seed,
            "threads": 1,
            "save_steps": 0,
            **run.training,
        },
        distillation={"probe_steps": PROBE_STEPS, **run.distillation},
        labels={"threads": 1},
    )
