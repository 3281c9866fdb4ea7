"""Reports blocked and failed artifacts as observations of their assets."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.continuity import broken_continuity
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import blocked_by
from p4d.versioning.state.workspace import Workspace


def needs_attention(instance: dg.DagsterInstance, project: Project) -> Mapping[ArtifactKey, str]:
    """Why an artifact is blocked or failed.

    An artifact is blocked if it is fresh and a blocking check of it failed. It failed if it is not
    fresh and its step failed in the last run that contained it. A ledger that does not continue
    what was anchored of it is reported as the asset `ledger`, which no stage makes.
    """
    ledger, gates = Ledger(project), blocking_gates()
    found: dict[ArtifactKey, str] = {}
    if broken := "; ".join(broken_continuity(project)):
        found[ArtifactKey("ledger")] = f"cannot be trusted: {broken}"
    with Workspace(project) as workspace:
        for key in workspace.all_keys():
            now = workspace.status(key)
            if now.state == "fresh":
                if reason := blocked_by(ledger.index(), gates, ArtifactVersion(key, now.md5 or "")):
                    found[key] = f"blocked: {reason}"
            elif why := _failure(instance, key):
                found[key] = f"failed: {why}"
    return found


def _failure(instance: dg.DagsterInstance, key: ArtifactKey) -> str | None:
    tags = {} if key.shard is None else {"dagster/partition": key.shard}
    for run in instance.get_runs(dg.RunsFilter(tags=tags), limit=20):
        events = [
            event.dagster_event
            for event in instance.all_logs(run.run_id)
            if event.step_key == key.stage and event.dagster_event is not None
        ]
        for event in events:
            if event.is_step_failure:
                data = event.step_failure_data
                given = data.user_failure_data.description if data.user_failure_data else None
                error = data.error
                while error and error.cause:  # Dagster wraps what a step raised
                    error = error.cause
                return given or (error.message.strip() if error else "no reason given")
        if events:
            return None  # the last run that had this step did not fail in it
    return None


def report_alerts(instance: dg.DagsterInstance, found: Mapping[ArtifactKey, str]) -> None:
    """Report each reason as an observation of its asset (and partition)."""
    for key, reason in found.items():
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key=dg.AssetKey(key.stage), partition=key.shard, description=reason
            )
        )
