"""Check results: recorded for an exact version, and consulted before that version is read.

A result belongs to one version of one artifact, whichever run made or checked it. A reader needs
results of all blocking checks of exactly the version that it is about to read. Recording results
also rewrites `shards/blocked.yaml`, so that a stage that reads all shards becomes stale when a
shard becomes blocked or is no longer blocked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from p4d.atomic import write_durably
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.pipeline_file import BLOCKED_LIST, SHARD_LIST
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.index import LedgerIndex
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import Record
from p4d.versioning.state.blocked import Blocked, read_blocked, render
from p4d.versioning.state.workspace import Workspace

Gates = Mapping[str, Sequence[str]]
"""Names of the blocking checks of each stage."""

_GATES_ENTRY = "p4d.quality.gates:check_folders"
_GATES_SQL = ("sql/gates", "sql/staging")


def checks_version(workspace: Workspace) -> str:
    """16 hex digits over everything that decides a check result: the gates' code and their SQL."""
    return workspace.code_digest(_GATES_ENTRY, _GATES_SQL)


def record_checks(
    project: Project,
    version: ArtifactVersion,
    results: Sequence[CheckResult],
    *,
    run_id: str,
    checks_version: str = "",
    gates: Gates | None = None,
) -> list[Record]:
    """Record the checks of a published version, and rewrite the list of blocked shards.

    Args:
        project: where.
        version: what was checked; the current version of its artifact.
        results: one per check.
        run_id: of the caller.
        checks_version: see the function `checks_version`.
        gates: blocking checks of each stage; default: all of `p4d.quality.gates`.

    Returns:
        The ledger records.
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
            "checks_version": checks_version,
        }
        for result in results
    ]
    with project_lock(project):
        records = Ledger(project).append_all([("check", body) for body in bodies])
        with Workspace(project) as workspace:
            write_blocked(workspace, gates, checked=version)
    return records


def blocked_by(index: LedgerIndex, gates: Gates, version: ArtifactVersion) -> str | None:
    """Why a version may not be read, or None if it passed all blocking checks."""
    failed, never = _failed_and_never(index, gates, version)
    parts = []
    if failed:
        parts.append(f"failed {', '.join(failed)}")
    if never:
        parts.append(f"was never checked by {', '.join(never)}")
    if not parts:
        return None
    return f"version {version.md5[:8]} of {version.key} {' and '.join(parts)}"


def unchecked(index: LedgerIndex, gates: Gates, version: ArtifactVersion) -> list[str]:
    """Blocking checks that never ran on a version."""
    return _failed_and_never(index, gates, version)[1]


def is_checked_with(
    index: LedgerIndex, gates: Gates, version: ArtifactVersion, checks_version: str
) -> bool:
    """Whether every blocking check ran on a version in the given version of the gates."""
    checks = index.checks(version)
    return all(
        name in checks and _version_of(checks[name]) == checks_version
        for name in gates.get(version.key.stage, ())
    )


def expected_blocked(
    workspace: Workspace, gates: Gates | None = None, checked: ArtifactVersion | None = None
) -> Blocked:
    """The blocked shards by the checks of the current versions.

    A version that was not checked yet changes nothing: what the file says of its artifact stays
    until its checks ran.

    Args:
        workspace: where.
        gates: as of `record_checks`.
        checked: a version that is current although dvc.lock does not name it yet (inside DVC).

    Raises:
        ConfigError: the file is damaged.
    """
    gates = blocking_gates() if gates is None else gates
    project = workspace.project
    index, before = Ledger(project).index(), read_blocked(project)
    candidates = {version.key for version in index.failing()}
    candidates |= {ArtifactKey(stage, shard) for shard in before for stage in before[shard]}
    listed = set(workspace.shards)
    found: dict[str, dict[str, Sequence[str]]] = defaultdict(dict)
    for key in sorted(candidates, key=str):
        if key.shard is None or key.shard not in listed or key.stage not in project.by_name:
            continue
        is_checked = checked is not None and checked.key == key
        md5 = checked.md5 if checked and is_checked else workspace.recorded_md5(key)
        failed, never = _failed_and_never(index, gates, ArtifactVersion(key, md5 or ""))
        if never and not failed:
            failed = list(before.get(key.shard, {}).get(key.stage, ()))
        if failed:
            found[key.shard][key.stage] = failed
    return found


def write_blocked(
    workspace: Workspace, gates: Gates | None = None, checked: ArtifactVersion | None = None
) -> bool:
    """Write `shards/blocked.yaml` if its content is not `expected_blocked`; returns whether it did.

    Call it under the project lock, before the workspace hashed the file.
    """
    path = workspace.project.root / BLOCKED_LIST
    if not (workspace.project.root / SHARD_LIST).is_file():
        return False
    text = render(expected_blocked(workspace, gates, checked))
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_durably(path, text.encode())
    return True


def refresh_blocked(project: Project, gates: Gates | None = None) -> bool:
    """Bring `shards/blocked.yaml` up to date where a killed process or an edit left it behind."""
    with project_lock(project), Workspace(project) as workspace:
        return write_blocked(workspace, gates)


def _failed_and_never(
    index: LedgerIndex, gates: Gates, version: ArtifactVersion
) -> tuple[list[str], list[str]]:
    names, checks = gates.get(version.key.stage, ()), index.checks(version)
    failed = [name for name in names if name in checks and not checks[name]["passed"]]
    return failed, [name for name in names if name not in checks]


def _version_of(check: Record) -> str:
    """Version of the gates that a check ran with; older records call it `judge`."""
    version: str = check.get("checks_version", check.get("judge", ""))
    return version
