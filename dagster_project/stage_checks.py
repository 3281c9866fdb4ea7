"""The asset check of a stage: one, named `gates`, with a row for each gate of `p4d.quality.gates`.

Dagster keeps some ten rows in its databases for every check of every partition, so a check for each
gate cost more than the stages of a small shard. The check fails as its worst gate does, and its
description names each gate that failed, with what was found. That of a per-shard stage runs in the
op of these stages (`dagster_project.shards`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_project.metadata import gates_metadata
from dagster_project.resources import StageRunner
from dagster_project.shards.failures import as_failure, check_failure
from p4d.errors import P4DError
from p4d.foreign_text import one_line
from p4d.pipeline import STAGES, Stage
from p4d.quality.finding import finding
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion

CHECK = "gates"
"""Name of the check of every stage that has gates."""


def check_spec(
    stage: Stage, partitions: dg.PartitionsDefinition[str] | None = None
) -> dg.AssetCheckSpec:
    """The check of a stage; its description lists the gates and what holds when each passes."""
    gates = GATES[stage.name]
    lines = [
        f"- `{gate.name}` ({'blocks' if gate.blocking else 'warns'}): {gate.description}"
        for gate in gates
    ]
    return dg.AssetCheckSpec(
        CHECK,
        asset=stage.name,
        description="\n".join(["Every gate of the stage passes.", "", *lines]),
        blocking=any(gate.blocking for gate in gates),
        partitions_def=partitions,
    )


def evaluated(version: ArtifactVersion, results: Sequence[CheckResult]) -> dict[str, Any]:
    """What an evaluation of the check records: result, severity, description, metadata.

    Args:
        version: the checked version.
        results: of all gates of its stage.
    """
    failed = sorted(
        (result for result in results if not result.passed), key=lambda result: not result.blocking
    )
    warns = bool(failed) and not any(result.blocking for result in failed)
    if failed:
        texts = [f"{each.name}: {each.description} Found: {_found(each)}." for each in failed]
        text = "\n".join([f"{len(failed)} of {len(results)} gates failed.", *texts])
    else:
        text = f"All {len(results)} gates passed."
    return {
        "passed": not failed,
        "severity": dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        "description": text,
        "metadata": gates_metadata(version, results),
    }


def _found(result: CheckResult) -> str:
    return one_line(finding(result.details))


def stage_checks(stage: Stage) -> dg.AssetChecksDefinition:
    """The check of a stage without shards."""

    @dg.multi_asset_check(
        name=f"{stage.name}_gates",
        description=f"Runs the gates of {stage.name} on its published version.",
        specs=[check_spec(stage)],
    )
    def gates(
        context: dg.AssetCheckExecutionContext, stage_runner: StageRunner
    ) -> Iterator[dg.AssetCheckResult]:
        key = ArtifactKey(stage.name)
        try:
            version, results = stage_runner.check(key, context.run.run_id)
        except P4DError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        yield dg.AssetCheckResult(
            asset_key=stage.name, check_name=CHECK, **evaluated(version, results)
        )
        stops = [each for each in results if each.blocking and not each.passed]
        failures = [check_failure(key, each) for each in stops]
        for failure in failures:
            context.log.error(failure.text)
        if failures:  # Dagster would fail the step with the name of the check alone
            raise as_failure(failures, shards=1)

    return gates


def all_stage_checks() -> list[dg.AssetChecksDefinition]:
    """The check of every stage that has gates and no shards."""
    return [stage_checks(each) for each in STAGES if GATES.get(each.name) and not each.per_shard]
