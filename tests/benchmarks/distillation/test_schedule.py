"""What is started ends in time, in the order of importance; the rest is named."""

import pytest

from benchmarks.distillation.plan import RunSpec
from benchmarks.distillation.schedule import ANSWERING_S, costs_of, fitting


def test_runs_fill_the_processes_until_the_time_is_over():
    runs = [RunSpec(f"arm{number}") for number in range(5)]
    chosen, left_out = fitting(runs, lambda run: 100.0, seconds=250, processes=2)
    assert [run.arm for run in chosen] == ["arm0", "arm1", "arm2", "arm3"]
    assert [run.arm for run in left_out] == ["arm4"]


def test_a_short_run_takes_the_place_of_a_long_one_that_does_not_fit():
    costs = {"long": 200.0, "short": 50.0}
    runs = [RunSpec("long", 0), RunSpec("long", 1), RunSpec("short")]
    chosen, left_out = fitting(runs, lambda run: costs[run.arm], seconds=260, processes=1)
    assert [run.name for run in chosen] == ["long-0", "short-0"]
    assert [run.name for run in left_out] == ["long-1"]


def test_costs_are_those_of_the_arm_then_of_the_stage_then_estimated_from_sft():
    done = {
        "sft-0": {"wall_s": 600.0, "steps": 1200, "run": {"arm": "sft", "stage": "student_sft"}},
        "p4d-0": {"wall_s": 900.0, "steps": 1200, "run": {"arm": "p4d", "stage": "student_p4d"}},
    }
    cost = costs_of(done, steps=1200)
    assert cost(RunSpec("sft", 1)) == pytest.approx(600 + ANSWERING_S)
    assert cost(RunSpec("sft_longer", length=1.2)) == pytest.approx(720 + ANSWERING_S)
    assert cost(RunSpec("p4d_exact", stage="student_p4d")) == pytest.approx(900 + ANSWERING_S)
    blind = cost(RunSpec("text_only", stage="student_blind"))
    assert blind == pytest.approx(0.45 * 600 + ANSWERING_S)
    assert costs_of({}, steps=100)(RunSpec("sft")) > ANSWERING_S
