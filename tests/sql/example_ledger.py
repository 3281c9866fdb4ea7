"""The ledger and the champion's decisions of the example project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.sql.example_rows import SHARDS


def md5(instance: str, version: int = 1) -> str:
    return hashlib.md5(f"{instance} {version}".encode()).hexdigest()


def at(minute: int) -> str:
    return f"2026-03-01T10:{minute:02d}:00.000+00:00"


def ledger() -> list[dict]:
    """One run of some stages; the label gate of the second shard fails; two champion versions."""
    records: list[dict] = []

    def made(stage: str, shard: str | None, upstream: dict[str, str], version: int = 1) -> None:
        instance = f"{stage}@{shard}" if shard else stage
        records.append(
            {
                "kind": "materialization",
                "at": at(len(records)),
                "prev": "0" * 64,
                "id": f"m{len(records)}",
                "stage": stage,
                "shard": shard,
                "path": f"data/{stage}/{shard}" if shard else f"data/{stage}",
                "md5": md5(instance, version),
                "nbytes": 100,
                "nfiles": 2,
                "fingerprint": {"code_version": f"code-{stage}", "params_digest": "p1"},
                "upstream": {name: f"md5:{value}" for name, value in upstream.items()},
                "git": {"commit": "c0ffee", "dirty": False},
                "env": "e1",
                "cost": {"wall_s": 2.0, "cpu_s": 1.5},
                "metrics": {"clips": 4},
                "run_id": "run-1",
            }
        )

    def check(instance: str, name: str, passed: bool) -> None:
        stage, _, shard = instance.partition("@")
        records.append(
            {
                "kind": "check",
                "at": at(len(records)),
                "stage": stage,
                "shard": shard or None,
                "md5": md5(instance),
                "name": name,
                "passed": passed,
                "blocking": True,
                "severity": "critical",
                "details": {"offenders": 0 if passed else 2},
                "run_id": "run-1",
            }
        )

    def of(*instances: str) -> dict[str, str]:
        return {instance: md5(instance) for instance in instances}

    for shard in SHARDS:
        made("videos", shard, {})
        made("clips", shard, of(f"videos@{shard}"))
    check(f"clips@{SHARDS[0]}", "intervals_are_disjoint", False)
    check(f"clips@{SHARDS[0]}", "intervals_are_disjoint", True)
    check(f"clips@{SHARDS[1]}", "intervals_are_disjoint", False)
    made("release", None, of(*(f"clips@{shard}" for shard in SHARDS)))
    made("student_p4d", None, of("release"))
    made("evaluation", None, of("release", "student_p4d"))
    made("champion", None, of("evaluation", "student_p4d"))
    # The same versions judged by another rule: a new decision.
    made("champion", None, of("evaluation", "student_p4d"), version=2)
    records.append({"kind": "landing", "at": at(20), "shard": SHARDS[0]})
    return records


def decisions() -> list[dict]:
    shared = {
        "challenger": f"md5:{md5('student_p4d')}",
        "evaluation": f"md5:{md5('evaluation')}",
        "champion": f"md5:{md5('student_p4d')}",
    }
    return [
        {
            **shared,
            "order": 1,
            "key": "d1",
            "decision": "promoted",
            "incumbent": None,
            "reasons": ["no champion yet"],
        },
        {
            **shared,
            "order": 2,
            "key": "d2",
            "decision": "refused",
            "incumbent": f"md5:{md5('student_p4d')}",
            "reasons": ["this version is champion already"],
            "error_rate": {"alpha": 0.05, "alpha_of_try": 0.0303964, "spent": False, "try": 1},
        },
    ]


def write_records(root: Path) -> None:
    """The ledger, its last line torn, and the champion's decisions."""
    for name, records, torn in (
        ("ledger/ledger.jsonl", ledger(), '{"kind": "materi'),
        ("champion/champions.jsonl", decisions(), ""),
    ):
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records) + torn)
