"""The arms of the comparison, and the parameters that they share."""

from __future__ import annotations

from benchmarks.machine import CHECKOUT
from p4d.config import Params, replace_params
from p4d.project import Project
from p4d.questions.asking.families.seconds import FAMILIES
from p4d.students.model.prompt_settings import TIMES

FIRST_WORLD, WORLDS_PER_SHARD = 9_600_000, 50
VAL_FRACTION, TEST_FRACTION = 0.25, 0.05
"""Shares of the worlds whose questions are answered, and that no arm is ever asked about."""

ORACLE = "times_and_events_as_text"
"""Reads what decides the answer as text and sees no picture."""

ARMS = (*TIMES, ORACLE)
NO_TIME = "none"

SHORT_STEPS = {"batch": 8, "questions_per_clip": 4}
"""Of the arms: half as many clips per step as elsewhere in the benchmark, and more steps."""

FACTS_IN_TEXT = {"batch": 16, "questions_per_clip": 1}
"""Of the oracle: half as many questions per step as the arms, because its texts are long."""


def settings(steps: int, arm: str, seed: int) -> Params:
    """The project's parameters for one arm and one thread."""
    params = Project(CHECKOUT).params
    return replace_params(
        params,
        student={"checkpoint": "embedded", "time": arm if arm in TIMES else NO_TIME},
        facts={"instants": "frames", "seconds": True},
        questions={
            "families": tuple(family.name for family in FAMILIES),
            "seconds": "pictures",
            "max_per_clip": 36,
        },
        release={"test_fraction": TEST_FRACTION, "val_fraction": VAL_FRACTION},
        training={
            "steps": steps,
            "seed": params.training.seed + seed,
            "threads": 1,
            "save_steps": 0,
            **(FACTS_IN_TEXT if arm == ORACLE else SHORT_STEPS),
        },
    )
