"""What has to run, in which order, and what is held back by a failed gate.

Stages that need no shard come first, then one batch per shard, then what reads all shards. Made of
the same facts as `p4d status`: fingerprints, and the verdicts on record for exact versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p4d.config import Project
from p4d.pipeline import STAGES, Stage
from p4d.versioning.fingerprint import Workspace
from p4d.versioning.gates import Gates, refusal
from p4d.versioning.ledger import Ledger

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
        batches: in an order in which they can run.
        held: fresh instances that a gate refuses, with the reason; what reads them waits.
    """

    batches: tuple[Batch, ...]
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
    only: Sequence[str] | None = None,
    stages: Sequence[Stage] = STAGES,
) -> Plan:
    """Every instance that is not fresh or not judged by today's gates, and all that reads it.

    Args:
        project: where.
        gates: blocking gates of each stage.
        judge: `judge_version`; a verdict of another version is asked for again.
        only: restrict the batches to these stages.
        stages: the pipeline.
    """
    ledger = Ledger(project)
    held: dict[str, str] = {}
    waiting: set[tuple[str, str | None]] = set()
    wanted: set[tuple[str, str | None]] = set()
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
        batches = _in_order(look, wanted, only)
    return Plan(batches=tuple(batches), held=held)


def _reads(look: Workspace, stage: Stage, shard: str | None) -> set[tuple[str, str | None]]:
    """The instances that an instance reads; a fan-in reads those of all shards."""
    found: set[tuple[str, str | None]] = set()
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


def _in_order(
    look: Workspace, wanted: set[tuple[str, str | None]], only: Sequence[str] | None
) -> list[Batch]:
    first = [s for s in look.stages if not s.per_shard and not _needs_shards(look, s)]
    rest = [s for s in look.stages if not s.per_shard and s not in first]
    per_shard = [s for s in look.stages if s.per_shard]
    plan: list[tuple[str | None, list[Stage]]] = [(None, first)]
    plan += [(shard, per_shard) for shard in look.shards]
    plan.append((None, rest))
    batches = [
        Batch(
            shard=shard,
            stages=tuple(
                s.name
                for s in group
                if (s.name, shard) in wanted and (only is None or s.name in only)
            ),
        )
        for shard, group in plan
    ]
    return [batch for batch in batches if batch.stages]


def _needs_shards(look: Workspace, stage: Stage) -> bool:
    return any(
        look.stage(name).per_shard or _needs_shards(look, look.stage(name)) for name in stage.inputs
    )
