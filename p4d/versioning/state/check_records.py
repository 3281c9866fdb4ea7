"""Gates: checks on record for an exact version, and whether that version may be read.

A check judges one version, named by its hash. A consumer asks for the blocking checks of exactly
the version it is about to read, whichever run made or judged it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from p4d.project import Project
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import Record

Gates = Mapping[str, Sequence[str]]
"""Names of the blocking checks of each stage."""


def record_checks(
    project: Project,
    version: ArtifactVersion,
    results: Sequence[CheckResult],
    *,
    run_id: str,
    judge: str = "",
) -> list[Record]:
    """Record the checks of a version in the ledger, and return the records.

    `judge` names the version of the gates' own code, see `p4d.versioning.state.plan.judge_version`.
    """
    bodies = [
        {
            "stage": version.key.stage,
            "shard": version.key.shard,
            "md5": version.md5,
            "name": result.name,
            "passed": result.passed,
            "blocking": result.blocking,
            "severity": result.severity,
            "details": dict(result.details),
            "run_id": run_id,
            "judge": judge,
        }
        for result in results
    ]
    return Ledger(project).append_all([("check", body) for body in bodies])


def refusal(ledger: Ledger, gates: Gates, version: ArtifactVersion) -> str | None:
    """Why a version may not be read, or None when all its gates passed."""
    names = gates.get(version.key.stage, ())
    if not names:
        return None
    checks = ledger.index().checks(version)
    failed = [name for name in names if name in checks and not checks[name]["passed"]]
    never = [name for name in names if name not in checks]
    parts = []
    if failed:
        parts.append(f"failed {', '.join(failed)}")
    if never:
        parts.append(f"was never judged by {', '.join(never)}")
    if not parts:
        return None
    return f"version {version.md5[:8]} of {version.key} {' and '.join(parts)}"
