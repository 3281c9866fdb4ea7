"""What is started ends in time, in the order of importance; the rest is named."""

import pytest

from benchmarks.distillation.plan import RunSpec
from benchmarks.distillation.schedule import (
    ANSWERING_S,
    costs_of,
    fitting,
    until_time_is_over,
)


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


def test_one_run_beside_other_work_does_not_make_the_others_dear():
    done = {
        f"sft-{seed}": {"wall_s": wall, "steps": 100, "run": {"arm": "sft", "stage": "student_sft"}}
        for seed, wall in enumerate((100.0, 110.0, 900.0))
    }
    assert costs_of(done, steps=100)(RunSpec("sft", 3)) == pytest.approx(110 + ANSWERING_S)


class Machine:
    """Runs that take 100 s each, on one process, and what is known of them."""

    def __init__(self, runs, *, expected_s, fails=()):
        self.todo, self.expected_s, self.fails = list(runs), expected_s, set(fails)
        self.now_s, self.passes = 0.0, []

    def perform(self, runs):
        self.passes.append([run.name for run in runs])
        self.now_s += 100.0 * len(runs)
        failed = [run.name for run in runs if run.name in self.fails]
        self.todo = [run for run in self.todo if run not in runs or run.name in failed]
        return failed

    def left_out(self, seconds):
        found = until_time_is_over(
            lambda: list(self.todo),
            lambda: lambda run: 100.0 if self.passes else self.expected_s,
            self.perform,
            left_s=lambda: seconds - self.now_s,
            processes=1,
        )
        return [run.name for run in found]


def test_time_that_runs_did_not_need_goes_to_others():
    machine = Machine([RunSpec("extra", seed) for seed in range(12)], expected_s=250.0)
    assert machine.left_out(1050) == ["extra-10", "extra-11"]
    assert [len(each) for each in machine.passes] == [4, 6]
    assert machine.now_s <= 1050


def test_the_main_arms_are_measured_before_others_are_planned():
    runs = [RunSpec("sft"), RunSpec("extra"), RunSpec("p4d")]
    machine = Machine(runs, expected_s=100.0)
    assert machine.left_out(1000) == []
    assert machine.passes == [["sft-0", "p4d-0"], ["extra-0"]]


def test_a_run_that_failed_is_not_started_again():
    machine = Machine([RunSpec("a"), RunSpec("b")], expected_s=100.0, fails={"a-0"})
    assert machine.left_out(1000) == ["a-0"]
    assert len(machine.passes) == 1
