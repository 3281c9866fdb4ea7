"""The asset checks of a stage: `gates` for those that block, `warnings` for those that only warn.

Each has a row for each gate of `p4d.quality.gates`. One check for each gate would cost more than
the stages of a small shard: Dagster keeps some ten rows in its databases for every check of every
partition. One check for all of them would be wrong in the list of checks: Dagster colours a check
by the severity of its latest evaluation, of whichever partition, so that a warning of the last
shard hid a shard that was blocked, and a passed one made a warning red. A check whose severity
never changes has the right colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_project.dagster_internals import check_target
from dagster_project.metadata import gates_metadata
from p4d.foreign_text import one_line
from p4d.pipeline import Stage
from p4d.quality.finding import finding
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactVersion

BLOCKING, WARNING = "gates", "warnings"
"""Names of the two checks; a stage has those that it has gates for."""

_PROMISES = {
    BLOCKING: "Every gate that blocks passes",
    WARNING: "No gate warns; a warning stops nothing",
}
_SEVERITIES = {BLOCKING: dg.AssetCheckSeverity.ERROR, WARNING: dg.AssetCheckSeverity.WARN}


def check_specs(
    stage: Stage, partitions: dg.PartitionsDefinition[str] | None = None
) -> list[dg.AssetCheckSpec]:
    """The checks of a stage; each description lists the gates and what holds when each passes."""
    specs = []
    for check in (BLOCKING, WARNING):
        gates = [gate for gate in GATES.get(stage.name, ()) if _check_of(gate.blocking) == check]
        if gates:
            lines = [f"- `{gate.name}`: {gate.description}" for gate in gates]
            specs.append(
                dg.AssetCheckSpec(
                    check,
                    asset=stage.name,
                    description="\n".join([f"{_PROMISES[check]}.", "", *lines]),
                    blocking=check == BLOCKING,
                    partitions_def=partitions,
                )
            )
    return specs


def evaluations(
    version: ArtifactVersion, results: Sequence[CheckResult]
) -> Mapping[str, Mapping[str, Any]]:
    """By check, what its evaluation records: result, severity, description, metadata.

    Args:
        version: the checked version.
        results: of all gates of its stage.
    """
    found = {}
    for check in (BLOCKING, WARNING):
        of_check = [result for result in results if _check_of(result.blocking) == check]
        if of_check:
            failed = [result for result in of_check if not result.passed]
            found[check] = {
                "passed": not failed,
                "severity": _SEVERITIES[check],
                "description": _description(version, failed, len(of_check)),
                "metadata": gates_metadata(version, of_check),
            }
    return found


def shard_evaluations(
    instance: dg.DagsterInstance, version: ArtifactVersion, results: Sequence[CheckResult]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the events of `evaluations` for an artifact of a shard."""
    key = version.key
    target = check_target(instance, key.stage, key.shard)
    for check, evaluation in evaluations(version, results).items():
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(key.stage),
            check_name=check,
            partition=key.shard,
            target_materialization_data=target,
            blocking=check == BLOCKING,
            **evaluation,
        )


def _check_of(blocking: bool) -> str:
    return BLOCKING if blocking else WARNING


def _description(version: ArtifactVersion, failed: Sequence[CheckResult], count: int) -> str:
    """A line that names artifact and gates, then a paragraph for each gate with what it found."""
    if not failed:
        return f"{version.key}: all {count} passed."
    names = ", ".join(result.name for result in failed)
    word = "block" if failed[0].blocking else "warn"
    verb = word if len(failed) > 1 else f"{word}s"
    texts = [f"{each.name}: {each.description} Found: {_found(each)}." for each in failed]
    return "\n\n".join([f"{version.key}: {len(failed)} of {count} {verb}: {names}.", *texts])


def _found(result: CheckResult) -> str:
    return one_line(finding(result.details))
