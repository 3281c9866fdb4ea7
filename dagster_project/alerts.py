"""Finds blocked and failed artifacts, and reports each once as an observation of its asset.

The sensor ticks once a minute, so a tick reads what is new: the runs that failed since the last
one. Blocked artifacts are looked up again if a file that decides about them changed, and every ten
minutes, as an output may be edited without any other trace.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import dagster as dg

from dagster_project.partitions import partitions_of
from dagster_project.shards.failures import failures_of
from p4d.pipeline import stage_named
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.continuity import broken_continuity
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import blocked_by
from p4d.versioning.state.workspace import Workspace

_RUNS_PER_TICK = 50
_SCAN_S = 600.0
_DECIDES = ("dvc.lock", "params.yaml", "shards/index.yaml", "data/ledger/ledger.jsonl")


@dataclass(kw_only=True)
class Attention:
    """What the last tick knew; the cursor of the sensor.

    Attributes:
        after_s: time of the last failed run that was read.
        failed: by artifact, why its step failed and when, as `[reason, time]`.
        files: size and time of the files that decide which artifacts are blocked.
        scanned_s: when blocked artifacts were looked up.
        found: by artifact, what was reported.
    """

    after_s: float = 0.0
    failed: dict[str, tuple[str, float]] = field(default_factory=dict)
    files: list[list[int]] = field(default_factory=list)
    scanned_s: float = 0.0
    found: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> Attention:
        """Of a cursor; one of an earlier version holds what was reported alone."""
        known = json.loads(cursor or "{}")
        return cls(**known) if "found" in known or not known else cls(found=known)

    def text(self) -> str:
        """As a cursor."""
        return json.dumps(asdict(self))


def needs_attention(
    instance: dg.DagsterInstance, project: Project, seen: Attention
) -> Mapping[ArtifactKey, str]:
    """Why an artifact is blocked or failed; brings `seen` up to date.

    An artifact is blocked if it is fresh and a blocking check of it failed. It failed if it is not
    fresh and a run failed in it after it was last made. A ledger that does not continue what was
    anchored of it is reported as the asset `ledger`, which no stage makes.
    """
    news = _read_failed_runs(instance, seen)
    files = [_state(project, name) for name in _DECIDES]
    if not news and files == seen.files and time.time() - seen.scanned_s < _SCAN_S:
        return {ArtifactKey.parse(key): reason for key, reason in seen.found.items()}
    seen.files, seen.scanned_s = files, time.time()
    return _scan(instance, project, seen)


def _state(project: Project, name: str) -> list[int]:
    try:
        found = (project.root / name).stat()
    except FileNotFoundError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _scan(
    instance: dg.DagsterInstance, project: Project, seen: Attention
) -> dict[ArtifactKey, str]:
    ledger, gates = Ledger(project), blocking_gates()
    found: dict[ArtifactKey, str] = {}
    if broken := "; ".join(broken_continuity(project)):
        found[ArtifactKey("ledger")] = f"cannot be trusted: {broken}"
    still_failed: dict[str, tuple[str, float]] = {}
    with Workspace(project) as workspace:
        for key in workspace.all_keys():
            now, failure = workspace.status(key), seen.failed.get(str(key))
            if now.state == "fresh":
                if reason := blocked_by(ledger.index(), gates, ArtifactVersion(key, now.md5 or "")):
                    found[key] = f"blocked: {reason}"
            elif failure and not _made_since(instance, key, failure[1]):
                found[key] = f"failed: {failure[0]}"
                still_failed[str(key)] = failure
    seen.failed = still_failed
    return found


def _made_since(instance: dg.DagsterInstance, key: ArtifactKey, when_s: float) -> bool:
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(key.stage), asset_partitions=[key.shard] if key.shard else None
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    return bool(records) and records[0].timestamp > when_s


def _read_failed_runs(instance: dg.DagsterInstance, seen: Attention) -> bool:
    """Add the failures of runs that ended since the last tick; returns whether there are any."""
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=datetime.fromtimestamp(seen.after_s, UTC),
        ),
        order_by="update_timestamp",
        ascending=True,
        limit=_RUNS_PER_TICK,
    )
    for record in records:
        seen.after_s = max(seen.after_s, record.update_timestamp.timestamp())
        ended_s = record.end_time or seen.after_s
        for key, reason in _failures(instance, record.dagster_run):
            seen.failed[str(key)] = (reason, ended_s)
    return bool(records)


def _failures(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> Iterator[tuple[ArtifactKey, str]]:
    """Artifacts that a failed run did not make, with the reason."""
    reasons = []
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None:
            continue
        if named := failures_of(event):
            yield from ((each.key, each.reason) for each in named if each.check is None)
            return
        reasons.append(_why(event))
    planned = instance.all_logs(
        run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    # The process ended without a word, or a step did: what it had planned and did not make.
    reason = reasons[0] if reasons else "the run ended before it was made"
    for entry in planned:
        event = entry.dagster_event
        if event is not None and event.asset_key is not None:
            stage = event.asset_key.to_user_string()
            for shard in partitions_of(instance, run) if stage_named(stage).per_shard else [None]:
                yield ArtifactKey(stage, shard), reason


def _why(event: dg.DagsterEvent) -> str:
    """The reason of a failed step: the library's, or the error that it raised."""
    data = event.step_failure_data
    error = data.error
    while error and error.cause:  # Dagster wraps what a step raised
        error = error.cause
    given = data.user_failure_data.description if data.user_failure_data else None
    return given or (error.message.strip() if error else "no reason given")


def report_alerts(instance: dg.DagsterInstance, found: Mapping[ArtifactKey, str]) -> None:
    """Report each reason as an observation of its asset (and partition)."""
    for key, reason in found.items():
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key=dg.AssetKey(key.stage), partition=key.shard, description=reason
            )
        )
