"""The asset check of a stage: one, named `gates`, with a row for each gate of `p4d.quality.gates`.

Dagster keeps some ten rows in its databases for every check of every partition, so a check for each
gate cost more than the stages of a small shard. The check fails as its worst gate does, and its
description names each gate that failed, with what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from dagster_project.metadata import gates_metadata
from p4d.foreign_text import one_line
from p4d.pipeline import Stage
from p4d.quality.finding import finding
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactVersion

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
