"""Finds what a failed blocking check holds back, with what the check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.project import Project
from p4d.quality.finding import finding, row_text
from p4d.quality.gates import blocking_gates
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import Gates
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """A fresh artifact that failed a blocking check.

    Attributes:
        key: which.
        failed: by failed check, what the ledger keeps of it (`CheckResult.details`).
        waiting: stages that do not read it: of its shard, or all below it if it has no shard. A
            stage that reads all shards leaves its shard out and is not named.
    """

    key: ArtifactKey
    failed: Mapping[str, Mapping[str, Any]]
    waiting: tuple[str, ...]

    @property
    def summary(self) -> str:
        """All of it in one line."""
        parts = [f"failed {name} ({finding(found)})" for name, found in self.failed.items()]
        if self.waiting:
            parts.append(f"waiting: {', '.join(self.waiting)}")
        return "; ".join(parts)

    @property
    def rows(self) -> list[str]:
        """A sample of the offending rows, one a line."""
        return [
            f"{name}: {row_text(row)}"
            for name, found in self.failed.items()
            for row in found.get("offending_rows", ())
        ]


def held_back(project: Project, gates: Gates | None = None) -> list[HeldBack]:
    """The artifacts that a failed blocking check holds back, in pipeline order.

    Args:
        project: where.
        gates: blocking checks of each stage; default: all of `p4d.quality.gates`.
    """
    gates, index = blocking_gates() if gates is None else gates, Ledger(project).index()
    found: list[HeldBack] = []
    with Workspace(project) as workspace:
        for key in workspace.all_keys():
            md5 = workspace.recorded_md5(key)
            checks = index.checks(ArtifactVersion(key, md5)) if md5 else {}
            failed = {
                name: checks[name].get("details", {})
                for name in gates.get(key.stage, ())
                if name in checks and not checks[name]["passed"]
            }
            if failed and workspace.status(key).state == "fresh":
                found.append(HeldBack(key=key, failed=failed, waiting=_waiting(workspace, key)))
    return found


def _waiting(workspace: Workspace, key: ArtifactKey) -> tuple[str, ...]:
    below: list[str] = []
    for stage in workspace.stages:
        reads = {key.stage, *below} & set(stage.inputs)
        if reads and (stage.per_shard or key.shard is None):
            below.append(stage.name)
    return tuple(below)
