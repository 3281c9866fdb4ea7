"""Named jobs for the routine tasks: label a shard, train the expert, retrain, audit, clean up."""

import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.history import KEEP_DAYS, prune
from dagster_project.resources import StageRunner
from p4d import audit
from p4d.audit.proof.signing import PUBLIC_KEY, SignatureCheck, check_signature
from p4d.errors import LedgerError
from p4d.foreign_text import fenced
from p4d.pipeline import STAGES

_PER_SHARD = [stage.name for stage in STAGES if stage.per_shard]
_EXPERT = [stage.name for stage in STAGES if stage.group == "teacher"]
_RETRAIN = [s.name for s in STAGES if s.group in ("release", "students", "evaluation")]
NOT_FINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

full_pipeline = dg.define_asset_job(
    "full_pipeline",
    selection=dg.AssetSelection.all(),
    description="Every stage: one shard, from its videos to its questions, and everything that "
    "has no shards, from the expert to the promotion decision. For several shards run "
    "label_backfill on each, then retrain.",
)
label_backfill = dg.define_asset_job(
    "label_backfill",
    selection=dg.AssetSelection.assets(*_PER_SHARD),
    description="The stages of one shard (videos, clips, labels, regions, facts, questions) and "
    "their checks.",
)
build_release = dg.define_asset_job(
    "build_release",
    selection=dg.AssetSelection.assets("release"),
    description="Freezes a release of all shards that passed their blocking checks.",
)
train_expert = dg.define_asset_job(
    "train_expert",
    selection=dg.AssetSelection.assets(*_EXPERT),
    description="Renders the expert's training scenes and trains the expert. Do this once before "
    "the first shard is labelled, and after a change of its parameters.",
)
retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(*_RETRAIN),
    description="One run, in order: freezes a release, trains the base student and the three "
    "students on it, evaluates them and decides on promotion. Steps whose inputs are unchanged "
    "are skipped.",
)


def job_of(stages: Collection[str]) -> str:
    """Name of the job that a run of some stages counts as: the routine task that has them all."""
    for job, names in ((label_backfill, _PER_SHARD), (train_expert, _EXPERT), (retrain, _RETRAIN)):
        if set(stages) <= set(names):
            return job.name
    return full_pipeline.name


def retraining(instance: dg.DagsterInstance) -> str | None:
    """Short id of a run of `retrain` that is queued or runs, so that nobody requests another."""
    running = dg.RunsFilter(job_name=retrain.name, statuses=NOT_FINISHED)
    return next((run.run_id[:8] for run in instance.get_runs(running, limit=1)), None)


@dg.op(description="Hashes everything the ledger names; fails if anything is missing or altered.")
def verify_everything(context: dg.OpExecutionContext, stage_runner: StageRunner) -> None:
    """Run `p4d audit verify` as a step."""
    report = audit.verify(stage_runner.project)
    key = os.environ.get(PUBLIC_KEY)
    try:
        signature = check_signature(stage_runner.project, Path(key) if key else None)
    except LedgerError as error:
        signature = SignatureCheck(str(error), ok=False)
    text = "\n".join(part for part in (signature.text, report.render_text()) if part)
    context.add_output_metadata({"report": dg.MetadataValue.md(fenced(text))})
    if not (report.ok and signature.ok):
        raise dg.Failure(description=text, allow_retries=False)


@dg.job(name="audit", description="Verifies that all artifacts match the ledger.")
def audit_job() -> None:
    """Verify all artifacts."""
    verify_everything()


class PruneConfig(dg.Config):
    """Run config of `prune_history`.

    Attributes:
        keep_days: age from which runs are removed.
    """

    keep_days: int = KEEP_DAYS


@dg.op(description="Removes old runs and reports, except those that made what is current.")
def prune_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
    """Run `dagster_project.history.prune` as a step."""
    before = datetime.now(UTC) - timedelta(days=config.keep_days)
    done = prune(context.instance, before)
    context.log.info(
        f"removed {done.runs} runs and {done.reports} reports before {before:%Y-%m-%d}; kept "
        f"{done.kept} older runs, which made current versions"
    )


@dg.job(
    name="prune_history",
    description="Removes runs from Dagster's history that are older than 90 days (keep_days), "
    "except those that made what is current. The ledger keeps every version.",
)
def prune_job() -> None:
    """Remove old history."""
    prune_runs()


JOBS: list[Any] = [
    full_pipeline,
    label_backfill,
    train_expert,
    build_release,
    retrain,
    audit_job,
    prune_job,
]
