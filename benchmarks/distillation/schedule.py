"""Which runs fit into a time on some processes, by what runs cost before."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.distillation.plan import FIRST, RunSpec

SFT_STEP_S = 0.5
"""Processor seconds of a step of SFT, for a machine on which nothing has run yet."""

OF_SFT: Mapping[str, float] = {
    "student_sft": 1.0,
    "student_p4d": 1.15,
    "student_blind": 0.45,
    "student_labels": 1.1,
    "teacher_features": 1.25,
    "teacher_cues": 1.15,
    "frame_differences": 1.1,
    "other_clips": 1.15,
}
"""Cost of a run by its stage, in multiples of SFT."""

ANSWERING_S = 60.0
"""Of the test questions, the imports and, for the main arms, R4D-World."""


def costs_of(results: Mapping[str, Mapping[str, Any]], steps: int) -> Callable[[RunSpec], float]:
    """Return what a run costs in seconds: as measured for its arm or its stage, else estimated.

    Args:
        results: finished runs by name.
        steps: full length of a run.
    """
    by_arm: dict[str, list[float]] = {}
    by_stage: dict[str, list[float]] = {}
    for result in results.values():
        per_step = result["wall_s"] / max(result["steps"], 1)
        by_arm.setdefault(result["run"]["arm"], []).append(per_step)
        by_stage.setdefault(result["run"]["stage"], []).append(per_step)
    sft = _median(by_stage.get("student_sft")) or SFT_STEP_S

    def cost(run: RunSpec) -> float:
        per_step = _median(by_arm.get(run.arm)) or _median(by_stage.get(run.stage))
        per_step = per_step or sft * OF_SFT.get(run.stage, 1.0)
        return per_step * steps * run.length + ANSWERING_S

    return cost


def _median(values: Sequence[float] | None) -> float | None:
    """One run beside other work of the machine takes several times as long."""
    return statistics.median(values) if values else None


def fitting(
    runs: Sequence[RunSpec],
    cost: Callable[[RunSpec], float],
    *,
    seconds: float,
    processes: int,
) -> tuple[list[RunSpec], list[RunSpec]]:
    """Split runs into those that end in time and those that are left out; order is priority.

    Args:
        runs: what is still to do.
        cost: seconds of a run on one process.
        seconds: time that is left.
        processes: runs that go on side by side.
    """
    free_at = [0.0] * processes
    chosen, left_out = [], []
    for run in runs:
        process = free_at.index(min(free_at))
        end = free_at[process] + cost(run)
        if end > seconds:
            left_out.append(run)
        else:
            free_at[process] = end
            chosen.append(run)
    return chosen, left_out


def until_time_is_over(
    missing: Callable[[], Sequence[RunSpec]],
    cost: Callable[[], Callable[[RunSpec], float]],
    perform: Callable[[Sequence[RunSpec]], Sequence[str]],
    *,
    left_s: Callable[[], float],
    processes: int,
) -> list[RunSpec]:
    """Perform what fits, and plan again by what it cost, until nothing fits or a run failed.

    Args:
        missing: what is still to do, the most important first.
        cost: what runs cost, by those that are done.
        perform: does runs, and returns the names of those that failed.
        left_s: seconds that are left.
        processes: runs that go on side by side.

    Returns:
        What was left out.
    """
    while True:
        runs = missing()
        # The arm of equal time can be planned when SFT and P4D have been measured.
        first = [run for run in runs if run.arm in FIRST]
        chosen, _ = fitting(first or runs, cost(), seconds=left_s(), processes=processes)
        if not chosen or perform(chosen):
            return list(missing())
