"""Named jobs for the routine tasks: label a shard, build a release, retrain, audit."""

from typing import Any

import dagster as dg

from dagster_project.resources import StageRunner
from p4d import audit
from p4d.pipeline import STAGES

_PER_SHARD = [stage.name for stage in STAGES if stage.per_shard]
_FROM_RELEASE = [s.name for s in STAGES if s.group in ("release", "students", "evaluation")]


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
retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(*_FROM_RELEASE),
    description="Release, students, evaluation and promotion. Steps whose inputs are unchanged "
    "are skipped.",
)


@dg.op(description="Hashes everything the ledger names; fails if anything is missing or altered.")
def verify_everything(context: dg.OpExecutionContext, stage_runner: StageRunner) -> None:
    """Run `p4d audit verify` as a step."""
    report = audit.verify(stage_runner.project)
    context.add_output_metadata(
        {"report": dg.MetadataValue.md(f"```\n{report.render_text()}\n```")}
    )
    if not report.ok:
        raise dg.Failure(description=report.render_text(), allow_retries=False)


@dg.job(name="audit", description="Verifies that all artifacts match the ledger.")
def audit_job() -> None:
    """Verify all artifacts."""
    verify_everything()


JOBS: list[Any] = [full_pipeline, label_backfill, build_release, retrain, audit_job]
