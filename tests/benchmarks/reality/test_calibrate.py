"""A kind that is wrong more often than it claims is widened, and no other is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.reality.looks.calibrate import FACTORS, Claim, factor_of
from benchmarks.reality.looks.judge import Verdict
from p4d.questions.facts.table import Fact, Source, quantity

SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="flow_dis", teacher_digest="x")


@dataclass(frozen=True)
class Off:
    """A truth so far from what a fact says."""

    error: float

    def fact(self, fact: Fact, sigmas: float) -> Verdict:
        return Verdict.RIGHT if abs(self.error) <= sigmas * fact.sigma else Verdict.WRONG


def _claims(spread: float, count: int = 600) -> list[Claim]:
    """Numbers with sigma 1 whose errors have another spread."""
    errors = np.random.default_rng(0).normal(0, spread, count)
    fact = quantity(
        SOURCE, "place_across", 0.0, 1.0, unit="%", frame="picture", method="planted",
        span_ns=(0, 0),
    )  # fmt: skip
    return [Claim(fact, Off(float(error))) for error in errors]  # type: ignore[arg-type]


@pytest.mark.parametrize(("spread", "factor"), [(0.5, 1.0), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0)])
def test_the_factor_is_that_of_the_errors(spread, factor):
    found, right = factor_of(_claims(spread))
    assert found == factor
    assert right["1"].endswith(" of 600")


def test_a_few_facts_that_are_right_show_no_need():
    assert factor_of(_claims(0.1, count=3))[0] == 1.0


def test_a_word_that_is_wrong_is_widened_until_it_claims_no_more():
    word = quantity(
        SOURCE, "view", 0.0, 0.2, unit="class", frame="picture", method="planted", span_ns=(0, 1)
    )
    claims = [Claim(word, Off(np.inf))] * 20  # type: ignore[arg-type]
    factor, right = factor_of(claims)
    assert factor in FACTORS
    assert word.sigma * factor > 1
    assert right == {"1": "0 of 0", "2": "0 of 0", "3": "0 of 0"}
