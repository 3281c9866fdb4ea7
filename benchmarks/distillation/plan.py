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
from p4d.students.embedded import CORE_FAMILIES, TUNED

BASE, UNTIMED = "base_student", "_untimed"
"""The base, which was fine-tuned on questions about other worlds as a published model is before it
is distilled (p4d/students/embedded_tuned), and what is added to its name for no time encoding."""

NEW_ENCODER = "base_student_new"
"""The base with an untrained encoder: it reads questions and perceives nothing."""

MUON = {"optimizer": "muon", "learning_rate": 0.001, "muon_rate": 2.5, "encoder_rate": 2.0}

STEPS = 300
"""Full length of a run of SFT. Muon is three to four times faster than AdamW (docs/regime.md)."""

WORLDS = 900
"""With 16 clips a step, 300 steps show each of their clips about three times."""

FEW = "release_few"
FEW_SHARE = 0.1
"""Share of the train videos whose questions are kept in FEW; the others are distilled only."""

RELEASES = (FEW, "release_timed", "release_perfect_facts", "release_all_facts")
CLIPS = ("clips_first_frame", "clips_burned")
"""Variants of release and clips, made by `variants.py`."""

REPORTED_ON_R4D_WORLD = ("sft", "p4d")
"""Arms that also answer R4D-World; they run first, however little time there is."""

TEST, VAL = "test", "val"
TEST_FRACTION, VAL_FRACTION = 0.10, 0.10

PROBE_STEPS = (50, 150)
"""Steps whose predictions are pictured, besides the last one."""

SEEDS = 5
LONGER = 1.2
"""Length of the SFT arm that gets more than its share."""

MAPS = ("depth", "flow", "motion", "rays")
NO_REGIONS = {"region_share": 0.0, "modalities": MAPS, "maps_every": 1}
"""All maps instead of regions, for controls and ablations of an arm that distils at regions."""

EXACT = NO_REGIONS | {"teacher": "exact", "latents": False}
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
        chosen_as: one of CHOICES: the run takes the setting chosen for that arm; empty: none.
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
        """What a choice decides: base, length, and changed keys of two sections."""
        return {
            "base": self.base,
            "length": self.length,
            "training": dict(self.training),
            "distillation": dict(self.distillation),
        }

    def at(self, setting: Mapping[str, Any]) -> RunSpec:
        """The run at a chosen setting; what the run itself changes has precedence."""
        return dataclasses.replace(
            self,
            base=setting["base"],
            length=self.length * setting["length"],
            training={**setting["training"], **self.training},
            distillation={**setting["distillation"], **self.distillation},
        )


CHOICES = ("sft", "p4d")
"""Arms whose setting is chosen on the validation split."""

FIRST = (*CHOICES, "sft_few", "p4d_few")
"""Arms that run before anything else."""

EXCLUDED = {
    "AdamW": "0.525 (SFT) and 0.530 (P4D) from the tuned base after 300 steps; Muon has more",
    "the base that was not fine-tuned on questions": "SFT with Muon has 0.36 after 400 steps, and "
    "P4D needs more than 700 steps to pass SFT",
    "tubelets of 4 frames": "SFT 0.43 where tubelets of 8 reach 0.47, P4D 0.60 and 0.58; they cost "
    "half as much again",
    "P4D from a trained encoder": "its flow is no better than zero after 300 steps of Muon",
    "P4D at regions from a trained encoder": "0.560 with questions from the first step, 0.539 "
    "after 150 of 300 steps without; 0.582 from an untrained encoder at equal processor seconds",
    "P4D at regions, 300 steps": "0.548, and 0.550 with maps too, for 0.582 with 600",
    "P4D with questions from the first step": "behind SFT at 600 steps of AdamW, ahead after 700",
    "weights that decay, maps of every fourth clip": "3.3 points less; motion is learned late",
}
"""Settings that are no candidates, and the experiment that excludes each (docs/regime.md).

Not tried at all: other learning rates of Muon, which both arms share; with Muon, questions from the
first step of P4D.
"""

PERCEPTION_FIRST = {
    "warmup_fraction": 0.5,
    "warmup_sft_weight": 0.0,
    "until_fraction": 1.0,
    "maps_every": 1,
    "unlabelled_clips": 0,
}
"""The encoder learns from the teacher alone for half of the steps, and goes on to the end."""

REGIONS_FIRST = PERCEPTION_FIRST | {
    "warmup_fraction": 0.75,
    "region_share": 1.0,
    "modalities": (),
}
"""The same for three quarters of the steps, at regions only: without maps a step costs half."""

REGIONS_LENGTH = 1.8
"""Steps of P4D at regions, of which a quarter ask questions: no more processor time than SFT."""

ALL_CLIPS = {"unlabelled_clips": 16}
"""As many clips without questions in each step as with."""


def _candidates() -> tuple[RunSpec, ...]:
    """Settings that are compared on the validation split: no more for P4D than for SFT."""
    sft = partial(RunSpec, seed=101, role="candidate", training=MUON, chooses="sft")
    p4d = partial(sft, stage="student_p4d", base=NEW_ENCODER, chooses="p4d")
    return (
        p4d("choose_p4d_regions", distillation=REGIONS_FIRST, length=REGIONS_LENGTH),
        sft("choose_sft"),
        p4d("choose_p4d_maps", distillation=PERCEPTION_FIRST),
        sft("choose_sft_new", base=NEW_ENCODER),
    )


CANDIDATES = _candidates()


def plan(seeds: int, p4d_over_sft: float | None) -> list[RunSpec]:
    """Return all runs, the most important first.

    Args:
        seeds: number of seeds of the arms.
        p4d_over_sft: processor seconds of whole P4D runs over those of SFT runs, as measured; None:
            not measured yet, so that there is no arm of equal time.
    """
    longer = partial(RunSpec, "sft_longer", chosen_as="sft", length=LONGER)
    trained = partial(RunSpec, "sft_few_trained", release=FEW, base=BASE, training=MUON)
    first, *more = _controls()
    return [
        *_arms(seeds, p4d_over_sft),
        first,
        *(trained(seed) for seed in range(seeds)),
        *(longer(seed) for seed in range(seeds)),
        *more,
        *_ablations(),
    ]


def _arms(seeds: int, p4d_over_sft: float | None) -> list[RunSpec]:
    """SFT and P4D at their chosen settings; then with few questions, from equal weights.

    With few questions nothing is chosen: P4D has its setting for all questions, and every clip.
    """
    sft = partial(RunSpec, chosen_as="sft")
    p4d = partial(RunSpec, stage="student_p4d", chosen_as="p4d")
    few = partial(RunSpec, release=FEW, base=NEW_ENCODER, training=MUON)
    taught = partial(
        few,
        stage="student_p4d",
        distillation=REGIONS_FIRST | ALL_CLIPS,
        length=REGIONS_LENGTH,
    )
    runs = [
        arm(name, seed)
        for pair in ({"sft": sft, "p4d": p4d}, {"sft_few": few, "p4d_few": taught})
        for seed in range(seeds)
        for name, arm in pair.items()
    ]
    if p4d_over_sft is not None and p4d_over_sft > 1:
        length = round(1 / p4d_over_sft, 2)
        runs += [p4d("p4d_equal_time", seed, length=length) for seed in range(seeds)]
    return runs


def _controls() -> list[RunSpec]:
    """What P4D is compared with besides SFT; all at the chosen setting of the arm they change."""
    control = partial(RunSpec, role="control", chosen_as="sft")
    taught = partial(RunSpec, role="control", chosen_as="p4d")
    blind = partial(RunSpec, role="control", stage="student_blind")
    return [
        control("first_frame", clips="clips_first_frame"),
        control("labels_as_text", stage="student_labels"),
        taught("frame_differences", stage="frame_differences"),
        taught("other_clips", stage="other_clips"),
        control("teacher_cues", stage="teacher_cues"),
        taught("p4d_exact", stage="student_p4d", distillation=EXACT),
        control("teacher_features", stage="teacher_features"),
        blind("text_only", training=MUON | ONE_QUESTION_PER_ROW),
        blind("text_and_time", training=MUON | ONE_QUESTION_PER_ROW, release="release_timed"),
        blind("perfect_facts", training=MUON | FACTS_IN_TEXT, release="release_perfect_facts"),
        blind("all_facts", training=MUON | FACTS_IN_TEXT, release="release_all_facts", length=3.0),
    ]


def _ablations() -> list[RunSpec]:
    ablation = partial(RunSpec, stage="student_p4d", role="ablation", chosen_as="p4d")
    untimed = partial(ablation, untimed=True)
    return [
        ablation("latent_only", distillation={"region_share": 0.0, "modalities": ()}),
        ablation("explicit_only", distillation=NO_REGIONS | {"latents": False}),
        ablation("latents_and_maps", distillation=NO_REGIONS),
        ablation("regions_and_maps", distillation=NO_REGIONS | {"region_share": 0.5}),
        *(
            ablation(f"latent_{name}", distillation=NO_REGIONS | {"modalities": (name,)})
            for name in MAPS
        ),
        untimed("time_none"),
        untimed("time_in_text", release="release_timed"),
        untimed("time_burned_in", clips="clips_burned"),
        ablation("until_questions", distillation={"until_fraction": 0.75}),
    ]


def _without_lists(keys: Mapping[str, Any]) -> dict[str, Any]:
    """A setting that was read from JSON, where tuples are lists."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}


def settings(steps: int, run: RunSpec) -> Params:
    """Return the project's parameters for one thread, with the changes of the run."""
    params = Project(CHECKOUT).params
    return replace_params(
        params,
        student={"checkpoint": TUNED},
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
        distillation={"probe_steps": PROBE_STEPS, **_without_lists(run.distillation)},
        labels={"threads": 1},
    )
