"""Which students of a run are trained side by side.

Each arm is an asset and a step of its own. Dagster takes one step after another in one process; the
first arm whose turn it is has the others trained ahead, each by the same stage in a process of its
own, with the threads that `training.threads` names, and so with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from p4d.compute.settings import ComputeSettings
from p4d.config import TrainingParams
from p4d.pipeline import Stage, stage_named

ARMS = ("student_p4d", "student_sft", "student_blind")
"""The stages that train an arm; the longest is started first where not all are at once."""


def side_by_side(params: TrainingParams, settings: ComputeSettings) -> int:
    """How many arms the cores of this machine train at once; 1: one after another."""
    if settings.engine != "local":
        return 1
    return max(1, min(len(ARMS), settings.cores // params.threads))


def companions(name: str, selected: Collection[str]) -> tuple[str, ...]:
    """The other arms that can start when the arm `name` does.

    They are selected, and all that the run makes for them was made: the step of `name` runs, so
    Dagster has waited for the stages of the run before it, and no check stops them.

    Args:
        name: of a stage.
        selected: the stages of the run.
    """
    if name not in ARMS:
        return ()
    ready = _waited_for(name, selected)
    return tuple(
        arm for arm in ARMS if arm != name and arm in selected and _needs(arm, selected) <= ready
    )


def _waited_for(name: str, selected: Collection[str]) -> set[str]:
    """Stages of the run before a step; Dagster knows no way through stages that are left out."""
    return _closure(name, lambda stage: set(stage.inputs) & set(selected))


def _needs(name: str, selected: Collection[str]) -> set[str]:
    """Stages of the run that an arm reads, directly or through any others."""
    return _closure(name, lambda stage: set(stage.reads)) & set(selected)


def _closure(name: str, before: Callable[[Stage], set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = before(stage_named(waiting.pop())) - found
        found |= new
        waiting += new
    return found
