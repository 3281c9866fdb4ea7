"""Sensors: they land new videos, report what Dagster missed, and request runs.

A sensor asks its resources for the project, and keeps nothing between ticks but its cursor.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import dagster as dg

from dagster_project.alerts import Attention, needs_attention, report_alerts
from dagster_project.automation import LABELLED
from dagster_project.dead_runs import end_dead_runs
from dagster_project.jobs import label_backfill, retrain, retraining
from dagster_project.new_shards import NewShards
from dagster_project.outdated import ADVICE, outdated, report_outdated
from dagster_project.partitions import sync_shards
from dagster_project.reconcile import report_changes, report_unreported
from dagster_project.resources import Inbox, StageRunner
from p4d.errors import HistoryError
from p4d.project import Project
from p4d.quality.drift import measure_drift
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger

# A report draws a picture, in up to a second; Dagster stops a tick after 60 s.
_REPORTS_PER_TICK = 30


def every(interval_s: int) -> int:
    """Seconds between two ticks; `P4D_TICK_S` shortens those of all sensors, for tests."""
    return min(interval_s, int(os.environ.get("P4D_TICK_S", interval_s)))


@dg.sensor(
    job=label_backfill,
    minimum_interval_seconds=every(30),
    description="Lands new files of the inbox as a closed shard, and requests label_backfill once "
    "for each new shard, and again if that fails. Automation never requests a new shard.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, inbox: Inbox, stage_runner: StageRunner
) -> dg.SensorResult:
    """Land new files; request runs for the shards that no run has made."""
    report = inbox.land()
    context.log.info(report.summary())
    for notice in report.notices:
        context.log.warning(notice)
    project = stage_runner.project
    sync_shards(context.instance, project)
    # From the ledger and not from the report, so that a lost request is made again.
    new = NewShards.read(context.cursor)
    requests = new.to_request(context.instance, project, now_s=time.time(), pause_s=4 * every(30))
    lines = [report.summary(), *new.notes]
    for note in new.notes:
        context.log.info(note)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "\n".join(lines),
        cursor=new.text(),
    )


@dg.sensor(
    minimum_interval_seconds=every(60),
    description="Reports published versions, and changes on disk, that Dagster has no event for, "
    "and definitions that are older than params.yaml or the code; "
    "keeps partitions equal to the closed shards; ends dead runs; commits the ledger to the branch "
    "p4d-ledger. Requests no run.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def reconcile_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> dg.SkipReason:
    """Bring partitions, runs and events in line with what is published; anchor the ledger."""
    project = stage_runner.project
    sync_shards(context.instance, project)
    end_dead_runs(context.instance)
    seen = _Seen.read(context.cursor)
    done: list[str] = []
    try:
        _anchor_news(project, seen)
    except HistoryError as error:  # a tick that fails would report nothing else
        context.log.error(str(error))
        done.append(f"The ledger is not anchored: {error}")
    if context.repository_def:
        graph = context.repository_def.asset_graph
        done += _report_old_definitions(context, outdated(graph, project), seen)
        for changed in report_changes(context.instance, graph, project):
            context.log.warning(f"{changed.key} is {changed.state}: {changed.summary}")
            done.append(f"{changed.key} is {changed.state}")
    for key in report_unreported(context.instance, project, limit=_REPORTS_PER_TICK):
        context.log.info(f"reported the published version of {key}")
        done.append(f"reported {key}")
    context.update_cursor(seen.text())
    return dg.SkipReason("\n".join(done) or "Every published version is reported")


@dataclass
class _Seen:
    """Cursor of `reconcile_sensor`.

    Attributes:
        ledger_bytes: size of the ledger when it was last anchored.
        outdated: by asset, the code version on disk that was reported as newer than the loaded one.
    """

    ledger_bytes: int = -1
    outdated: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> _Seen:
        """Of a cursor; one of an earlier version is the size alone."""
        found = json.loads(cursor or "{}")
        return cls(**found) if isinstance(found, dict) else cls(ledger_bytes=found)

    def text(self) -> str:
        return json.dumps(asdict(self))


def _anchor_news(project: Project, seen: _Seen) -> None:
    """Commit the ledger if it has grown since the last tick."""
    path = Ledger(project).path
    size = path.stat().st_size if path.exists() else 0
    if size != seen.ledger_bytes:
        anchor(project, "artifacts as published")
        seen.ledger_bytes = size


def _report_old_definitions(
    context: dg.SensorEvaluationContext, found: dict[str, str], seen: _Seen
) -> Iterator[str]:
    """Log in every tick which definitions are old; report each asset once per change."""
    report_outdated(
        context.instance, [name for name in found if seen.outdated.get(name) != found[name]]
    )
    seen.outdated = found
    if found:
        context.log.warning(f"{ADVICE} ({', '.join(found)})")
        yield f"{ADVICE} ({', '.join(found)})"


@dg.sensor(
    minimum_interval_seconds=every(60),
    description="Lists artifacts that a check blocks or whose run failed, and a ledger that was "
    "rewritten; reports each once as an observation of its asset. Requests no run.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def attention_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> dg.SkipReason:
    """Report each artifact once on its asset, and list all of them in every tick."""
    seen = Attention.read(context.cursor)
    found = needs_attention(context.instance, stage_runner.project, seen)
    news = {key: reason for key, reason in found.items() if seen.found.get(str(key)) != reason}
    report_alerts(context.instance, news)
    for key, reason in news.items():
        context.log.warning(f"{key} {reason}")
    seen.found = {str(key): reason for key, reason in found.items()}
    context.update_cursor(seen.text())
    if not found:
        return dg.SkipReason("No artifact is blocked and no run failed")
    return dg.SkipReason("\n".join(f"{key} {reason}" for key, reason in found.items()))


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=every(3600),
    description="Requests retraining when newly landed clips differ from those of the release.",
)
def drift_sensor(
    context: dg.SensorEvaluationContext, stage_runner: StageRunner
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request one run per set of new shards that differs, unless a run retrains already."""
    if run := retraining(context.instance):
        yield dg.SkipReason(f"run {run} retrains")
        return
    project = stage_runner.project
    drift = measure_drift(project.data, project.shards())
    distances = ", ".join(f"{name} {value:.2f}" for name, value in drift.distance.items()) or "none"
    if drift.is_drifting:
        tags = {"p4d/drift": distances}
        yield dg.RunRequest(run_key=f"drift {' '.join(drift.shards)}", tags=tags)
    else:
        yield dg.SkipReason(f"{drift.new_clips} clips since the release; distance {distances}")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=LABELLED,
    minimum_interval_seconds=every(60),
    description="Requests per-shard stages (videos to questions) whose code or inputs changed. "
    "Leaves new shards to landing_sensor, waits for blocking checks, and never trains.",
)

SENSORS = [landing_sensor, reconcile_sensor, attention_sensor, drift_sensor, automation]
