"""What has to run, in which order, and what is held back by a failed gate.

Stages that need no shard come first, then one batch per shard, then what reads all shards. Made of
the same facts as `p4d status`: fingerprints, and the verdicts on record for exact versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from p4d.config import Project
from p4d.pipeline import STAGES, Stage
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import Gates, refusal
from p4d.versioning.state.workspace import Workspace

Instance = tuple[str, str | None]
"""A stage and a shard, or None for a stage without shards."""

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
        wanted: instances to make or to judge, as (stage, shard).
        held: fresh instances that a gate refuses, with the reason; what reads them waits.
    """

    wanted: frozenset[Instance]
    held: Mapping[str, str]


def judge_version(project: Project) -> str:
    """Hash of everything that decides a verdict: the code of the gates and their SQL."""
    with Workspace(project) as look:
        return look.code_version(_JUDGE)


def make_plan(
    project: Project,
    *,
    gates: Gates,
    judge: str,
    stages: Sequence[Stage] = STAGES,
) -> Plan:
    """Every instance that is not fresh or not judged by today's gates, and all that reads it.

    Args:
        project: where.
        gates: blocking gates of each stage.
        judge: `judge_version`; a verdict of another version is asked for again.
        stages: the pipeline.
    """
    ledger = Ledger(project)
    held: dict[str, str] = {}
    waiting: set[Instance] = set()
    wanted: set[Instance] = set()
    with Workspace(project, stages) as look:
        for stage, shard in look.instances():
            instance, now = (stage.name, shard), look.status(stage, shard)
            reads = _reads(look, stage, shard)
            if now.state == "fresh" and not wanted & reads:
                if not _judged(ledger, gates, judge, stage, shard, now.md5):
                    wanted.add(instance)
                elif reason := refusal(ledger, gates, stage.name, shard, now.md5 or ""):
                    held[now.key] = reason
                    waiting.add(instance)
            elif stage.per_shard and waiting & reads:
                waiting.add(instance)
            else:
                wanted.add(instance)
    return Plan(wanted=frozenset(wanted), held=held)


def _reads(look: Workspace, stage: Stage, shard: str | None) -> set[Instance]:
    """The instances that an instance reads; a fan-in reads those of all shards."""
    found: set[Instance] = set()
    for name in stage.inputs:
        if not look.stage(name).per_shard:
            found.add((name, None))
        else:
            found |= {(name, each) for each in ([shard] if stage.per_shard else look.shards)}
    return found


def _judged(
    ledger: Ledger, gates: Gates, judge: str, stage: Stage, shard: str | None, md5: str | None
) -> bool:
    verdicts = ledger.checks_for(md5 or "", stage.name, shard)
    return all(
        name in verdicts and verdicts[name].get("judge") == judge
        for name in gates.get(stage.name, ())
    )


def in_order(
    project: Project, wanted: Set[Instance], stages: Sequence[Stage] = STAGES
) -> list[Batch]:
    """Batches of the wanted instances, in an order in which they can run."""
    by_name = {stage.name: stage for stage in stages}

    def needs_shards(stage: Stage) -> bool:
        return any(by_name[up].per_shard or needs_shards(by_name[up]) for up in stage.inputs)

    first = [s for s in stages if not s.per_shard and not needs_shards(s)]
    rest = [s for s in stages if not s.per_shard and s not in first]
    per_shard = [s for s in stages if s.per_shard]
    order: list[tuple[str | None, list[Stage]]] = [(None, first)]
    order += [(shard, per_shard) for shard in project.shards()]
    order.append((None, rest))
    batches = [
        Batch(shard=shard, stages=tuple(s.name for s in group if (s.name, shard) in wanted))
        for shard, group in order
    ]
    return [batch for batch in batches if batch.stages]
