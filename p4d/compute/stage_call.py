"""One run of a stage's function: declared inputs in, files of a folder out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from p4d.atomic import out_of_space
from p4d.compute.cost import Cost
from p4d.compute.import_guard import load
from p4d.compute.place import computed_on, device_here
from p4d.errors import ContractError, PublishError
from p4d.pipeline import StageInputs, StageReport
from p4d.progress import Progress


@dataclass(frozen=True, kw_only=True)
class StageCall:
    """Everything that decides what a stage writes, and where it writes.

    It can be pickled. The process that computes the stage replaces `given.progress`.

    Attributes:
        name: the artifact as dvc.lock names it, `stage` or `stage@shard`.
        root: of the project. Every path of `given` lies below it.
        given: what the function reads.
        new: the empty folder that the function fills.
        code: MD5 of every file of the stage's code, by path below `root`; what runs must be this.
        inputs: MD5 of every file and folder that the stage reads, by path below `root`. Pinned
            versions are not in it: `given.versions` names them.
        fingerprint: hex digits that depend on command, parameters, code and inputs alone: equal
            ones give equal bytes on one kind of device.
    """

    name: str
    root: Path
    given: StageInputs
    new: Path
    code: Mapping[str, str]
    inputs: Mapping[str, str]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What a run of a stage's function reports; its files are in `StageCall.new`.

    Attributes:
        report: the stage's own.
        cost: see `Cost.values`.
        where: where it ran, for the ledger; see `p4d.compute.place`.
    """

    report: StageReport
    cost: Mapping[str, float | int]
    where: Mapping[str, str] = field(default_factory=dict)


class Compute(Protocol):
    """Runs the function of a stage somewhere; may be called from several threads."""

    def __call__(self, call: StageCall, progress: Progress) -> Computed:
        """Fill `call.new`, and return when its files are there.

        Raises:
            PublishError: the code that would run is not the code on disk, or no room is left.
            Exception: whatever the function raised.
        """


def compute_here(
    call: StageCall, progress: Progress, *, beside: Sequence[threading.Thread] = ()
) -> Computed:
    """Run the function in this process.

    Args:
        call: what runs.
        progress: takes the progress of the function.
        beside: threads of this process that work for other artifacts.

    Raises:
        PublishError: the code in memory is not the code on disk, or no room is left.
        ContractError: the function returned no report.
    """
    function = load(call.root, call.given.stage, call.code)
    try:
        with Cost(beside) as cost:
            report = function(replace(call.given, progress=progress), call.new)
    except OSError as error:
        if out_of_space(error):
            raise PublishError(
                f"{call.name}: no room left while computing ({error}); the old version is in "
                "place, free space and run again"
            ) from error
        raise
    if not isinstance(report, StageReport):
        raise ContractError(
            f"{call.name}: the stage returned {type(report).__name__}, no StageReport"
        )
    where = computed_on(device_here(call.given.stage), "local")
    return Computed(report=report, cost=cost.values, where=where)
