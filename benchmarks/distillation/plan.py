"""The runs of the benchmark: which arms, controls and ablations, and what each changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.machine import CHECKOUT
from p4d.config import Params, replace_params
from p4d.project import Project
from p4d.students.embedded import CORE_FAMILIES

BASE, LONG_TUBELETS, UNTIMED = "base_student", "base_student_t8", "_untimed"
"""The base, its variant with tubelets of a whole clip, and what is added for no time encoding."""

NEW_ENCODER = "base_student_new"
"""The base with an untrained encoder: with Muon one learns motion, where a trained one does not."""

MUON = {"optimizer": "muon", "learning_rate": 0.001, "muon_rate": 2.5, "encoder_rate": 2.0}
PERCEPTION_FIRST = {"warmup_fraction": 0.5, "warmup_sft_weight": 0.0, "until_fraction": 1.0}
"""Settings that made a student see fastest (docs/regime.md)."""

RELEASES = ("release_timed", "release_perfect_facts", "release_all_facts")
CLIPS = ("clips_first_frame", "clips_burned")
"""Variants of release and clips, made by `variants.py`."""

REPORTED_ON_R4D_WORLD = ("sft", "p4d")
"""Arms that also answer R4D-World; they run first, however little time there is."""

TEST, VAL = "test", "val"
TEST_FRACTION, VAL_FRACTION = 0.10, 0.05

PROBE_STEPS = (50, 300, 600)
"""Steps whose predictions are pictured, besides the last one."""

SEEDS = 5
LONGER = 1.2
"""Length of the SFT arm that gets more than its share."""

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
        stage: student_sft | student_p4d | student_blind | student_labels | a name of
            `controls.CONTROLS`.
        length: steps as a share of the full length.
        distillation: changed keys of the section `distillation`.
        training: changed keys of the section `training`.
        release: variant of the questions.
        clips: variant of the clips.
        base: variant of the base student (`bases.py`).
        untimed: whether the base has no time encoding.
        role: arm | control | ablation | candidate.
        chosen_as: sft | p4d: the run takes the setting that was chosen for that arm; empty: none.
        chooses: of a candidate, the arm whose setting it stands for.
    """

    arm: str
    seed: int = 0
    stage: str = "student_sft"
    length: float = 1.0
    distillation: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    release: str = "release"
    clips: str = "clips"
    base: str = BASE
    untimed: bool = False
    role: str = "arm"
    chosen_as: str = ""
    chooses: str = ""

    @property
    def name(self) -> str:
        """Name of the files of the run."""
        return f"{self.arm}-{self.seed}"

    @property
    def base_folder(self) -> str:
        """Name of the folder of the base student."""
        return self.base + (UNTIMED if self.untimed else "")

    @property
    def split(self) -> str:
        """The split that the run is asked about: candidates never see the test split."""
        return VAL if self.role == "candidate" else TEST

    @property
    def setting(self) -> dict[str, Any]:
        """What a choice decides: base, and changed keys of `training` and `distillation`."""
        return {
            "base": self.base,
            "training": dict(self.training),
            "distillation": dict(self.distillation),
        }

    def at(self, setting: Mapping[str, Any]) -> RunSpec:
        """The run at a chosen setting; what the run itself changes has precedence."""
        return dataclasses.replace(
            self,
            base=setting["base"],
            training={**setting["training"], **self.training},
            distillation={**setting["distillation"], **self.distillation},
        )


def _candidates() -> tuple[RunSpec, ...]:
    """Settings of SFT and P4D that are compared on the validation split."""
    bases = {"t4": BASE, "t8": LONG_TUBELETS}
    rates = {"lr1": 0.001, "lr2": 0.002, "lr4": 0.004}
    ratios = {"r2": 2.0, "r4": 4.0}
    encoders = {"t4": BASE, "t8": LONG_TUBELETS, "new": NEW_ENCODER}
    candidate = partial(RunSpec, seed=100, role="candidate")
    return (
        *(
            candidate(
                f"choose_sft_{t}_{lr}", base=base, training={"learning_rate": rate}, chooses="sft"
            )
            for t, base in bases.items()
            for lr, rate in rates.items()
        ),
        *(
            candidate(
                f"choose_p4d_{t}_{r}",
                stage="student_p4d",
                base=base,
                distillation={"target_ratio": ratio},
                chooses="p4d",
            )
            for t, base in bases.items()
            for r, ratio in ratios.items()
        ),
        *(
            candidate(f"choose_sft_{e}_muon", base=base, training=MUON, chooses="sft")
            for e, base in encoders.items()
        ),
        candidate(
            "choose_p4d_new_muon",
            stage="student_p4d",
            base=NEW_ENCODER,
            training=MUON,
            distillation=PERCEPTION_FIRST,
            chooses="p4d",
        ),
    )


CANDIDATES = _candidates()


def plan(seeds: int, p4d_over_sft: float | None) -> list[RunSpec]:
    """Return all runs, the most important first.

    Args:
        seeds: number of seeds of the arms.
        p4d_over_sft: processor seconds of whole P4D runs over those of SFT runs, as measured; None:
            not measured yet, so that there is no arm of equal time.
    """
    return [*_arms(seeds, p4d_over_sft), *_controls(), *_ablations()]


def _arms(seeds: int, p4d_over_sft: float | None) -> list[RunSpec]:
    sft = partial(RunSpec, chosen_as="sft")
    p4d = partial(RunSpec, stage="student_p4d", chosen_as="p4d")
    runs = [arm for seed in range(seeds) for arm in (sft("sft", seed), p4d("p4d", seed))]
    if p4d_over_sft is not None:
        length = round(min(1.0, 1 / p4d_over_sft), 2)
        runs += [p4d("p4d_equal_time", seed, length=length) for seed in range(seeds)]
    runs += [sft("sft_longer", seed, length=LONGER) for seed in range(seeds)]
    return runs


def _controls() -> list[RunSpec]:
    """What P4D is compared with besides SFT; all at the chosen setting of the arm they change."""
    control = partial(RunSpec, role="control", chosen_as="sft")
    taught = partial(RunSpec, role="control", chosen_as="p4d")
    blind = partial(RunSpec, role="control", stage="student_blind")
    return [
        control("first_frame", clips="clips_first_frame"),
        control("teacher_cues", stage="teacher_cues"),
        taught("frame_differences", stage="frame_differences"),
        taught("other_clips", stage="other_clips"),
        control("labels_as_text", stage="student_labels"),
        taught("p4d_exact", stage="student_p4d", distillation=EXACT),
        control("teacher_features", stage="teacher_features"),
        blind("text_only", training=ONE_QUESTION_PER_ROW),
        blind("text_and_time", training=ONE_QUESTION_PER_ROW, release="release_timed"),
        blind("perfect_facts", training=FACTS_IN_TEXT, release="release_perfect_facts"),
        blind("all_facts", training=FACTS_IN_TEXT, release="release_all_facts", length=3.0),
    ]


def _ablations() -> list[RunSpec]:
    ablation = partial(RunSpec, stage="student_p4d", role="ablation", chosen_as="p4d")
    untimed = partial(ablation, untimed=True)
    return [
        ablation("latent_only", distillation={"modalities": ()}),
        ablation("explicit_only", distillation={"latents": False}),
        *(
            ablation(f"latent_{name}", distillation={"modalities": (name,)})
            for name in ("depth", "flow", "motion", "rays")
        ),
        untimed("time_none"),
        untimed("time_in_text", release="release_timed"),
        untimed("time_burned_in", clips="clips_burned"),
        ablation("to_the_end", distillation={"until_fraction": 1.0}),
    ]


def settings(steps: int, run: RunSpec) -> Params:
    """Return the project's parameters for one thread, with the changes of the run."""
    params = Project(CHECKOUT).params
    return replace_params(
        params,
        student={"checkpoint": "embedded"},
        expert={"checkpoint": "embedded"},
        release={"test_fraction": TEST_FRACTION, "val_fraction": VAL_FRACTION},
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
