"""What has to run, in which order, and what is held back by a failed gate.

Stages that need no shard come first, then one batch per shard, then what reads all shards. Made of
the same facts as `p4d status`: fingerprints, and the verdicts on record for exact versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import Gates, refusal
from p4d.versioning.state.workspace import Workspace

_JUDGE = Stage(
    name="gates",
    group="quality",
    entry="p4d.quality.gates:run_gates",
    description="Everything that decides a verdict.",
    extra_code=("sql/gates", "sql/staging"),
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Stages that run together, for one shard or for none."""

    shard: str | None
    stages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do.

    Attributes:
        wanted: artifacts to make or to judge.
        held: fresh artifacts that a gate refuses, with the reason; what reads them waits.
    """

    wanted: frozenset[ArtifactKey]
    held: Mapping[ArtifactKey, str]


def judge_version(project: Project) -> str:
    """Hash of everything that decides a verdict: the code of the gates and their SQL."""
    with Workspace(project) as look:
        return look.code_version(_JUDGE)


def make_plan(
    project: Project,
    *,
    gates: Gates,
    judge: str,
) -> Plan:
    """Every instance that is not fresh or not judged by today's gates, and all that reads it.

    Args:
        project: where.
        gates: blocking gates of each stage.
        judge: `judge_version`; a verdict of another version is asked for again.
    """
    ledger = Ledger(project)
    held: dict[ArtifactKey, str] = {}
    waiting: set[ArtifactKey] = set()
    wanted: set[ArtifactKey] = set()
    with Workspace(project) as look:
        for key in look.all_keys():
            now, reads = look.status(key), _reads(look, key)
            if now.state == "fresh" and not wanted & reads:
                version = ArtifactVersion(key, now.md5 or "")
                if not _judged(ledger, gates, judge, version):
                    wanted.add(key)
                elif reason := refusal(ledger, gates, version):
                    held[key] = reason
                    waiting.add(key)
            elif key.shard is not None and waiting & reads:
                waiting.add(key)
            else:
                wanted.add(key)
    return Plan(wanted=frozenset(wanted), held=held)


def _reads(look: Workspace, key: ArtifactKey) -> set[ArtifactKey]:
    """The artifacts that an artifact is made from; a fan-in reads those of all shards."""
    found: set[ArtifactKey] = set()
    for name in look.stage(key.stage).inputs:
        upstream = look.stage(name)
        if upstream.per_shard and key.shard is not None:
            found.add(ArtifactKey(name, key.shard))
        else:
            found.update(look.keys_of(upstream))
    return found


def _judged(ledger: Ledger, gates: Gates, judge: str, version: ArtifactVersion) -> bool:
    verdicts = ledger.index().checks(version)
    return all(
        name in verdicts and verdicts[name].get("judge") == judge
        for name in gates.get(version.key.stage, ())
    )


def in_order(project: Project, wanted: Set[ArtifactKey]) -> list[Batch]:
    """Batches of the wanted instances, in an order in which they can run."""
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
