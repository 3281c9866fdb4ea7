"""Plans what has to run, and in which order.

Stages that need no shard come first, then one batch per shard, then what reads all shards. The plan
follows from what `p4d status` shows (fingerprints) and from the recorded checks of exact versions:
a fresh artifact without results of today's gates is checked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from p4d.pipeline import Stage
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state import check_records
from p4d.versioning.state.check_records import Gates, blocked_by, is_checked_with
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Stages that run together, for one shard or for none."""

    shard: str | None
    stages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do.

    Attributes:
        wanted: artifacts to make or to check.
        blocked: fresh artifacts that failed a gate, with the reason; their readers wait.
        versions: by name of a fresh artifact, its MD5 and the version of its code.
    """

    wanted: frozenset[ArtifactKey]
    blocked: Mapping[ArtifactKey, str]
    versions: Mapping[str, tuple[str, str]]


def make_plan(
    project: Project,
    *,
    gates: Gates | None = None,
    checks_version: str | None = None,
) -> Plan:
    """Every artifact that is not fresh or not checked by today's gates, and all that reads it.

    Args:
        project: where.
        gates: blocking checks of each stage; default: all of `p4d.quality.gates`.
        checks_version: version of today's gates; default: `check_records.checks_version`.
    """
    gates = blocking_gates() if gates is None else gates
    index = Ledger(project).index()
    blocked: dict[ArtifactKey, str] = {}
    waiting: set[ArtifactKey] = set()
    wanted: set[ArtifactKey] = set()
    versions: dict[str, tuple[str, str]] = {}
    with Workspace(project) as workspace:
        if checks_version is None:
            checks_version = check_records.checks_version(workspace)
        code = {stage.name: workspace.code_version(stage) for stage in workspace.stages}
        for key in workspace.all_keys():
            now, reads = workspace.status(key), _reads(workspace, key)
            if now.state == "fresh":
                versions[str(key)] = (now.md5 or "", code[key.stage])
            if now.state == "fresh" and not wanted & reads:
                version = ArtifactVersion(key, now.md5 or "")
                if not is_checked_with(index, gates, version, checks_version):
                    wanted.add(key)
                elif reason := blocked_by(index, gates, version):
                    blocked[key] = reason
                    waiting.add(key)
            elif key.shard is not None and waiting & reads:
                waiting.add(key)
            else:
                wanted.add(key)
    return Plan(wanted=frozenset(wanted), blocked=blocked, versions=versions)


def _reads(workspace: Workspace, key: ArtifactKey) -> set[ArtifactKey]:
    """The artifacts that an artifact is made from; a fan-in reads those of all shards."""
    found: set[ArtifactKey] = set()
    for name in workspace.stage(key.stage).inputs:
        upstream = workspace.stage(name)
        if upstream.per_shard and key.shard is not None:
            found.add(ArtifactKey(name, key.shard))
        else:
            found.update(workspace.keys_of(upstream))
    return found


def in_order(project: Project, wanted: Set[ArtifactKey]) -> list[Batch]:
    """Batches of the wanted artifacts, in an order in which they can run."""
    stages, by_name = project.stages, project.by_name

    def needs_shards(stage: Stage) -> bool:
        return any(by_name[up].per_shard or needs_shards(by_name[up]) for up in stage.inputs)

    first = [s for s in stages if not s.per_shard and not needs_shards(s)]
    rest = [s for s in stages if not s.per_shard and s not in first]
    per_shard = [s for s in stages if s.per_shard]
    order: list[tuple[str | None, list[Stage]]] = [(None, first)]
    order += [(shard, per_shard) for shard in project.shards()]
    order.append((None, rest))
    batches = [
        Batch(
            shard=shard, stages=tuple(s.name for s in group if ArtifactKey(s.name, shard) in wanted)
        )
        for shard, group in order
    ]
    return [batch for batch in batches if batch.stages]
