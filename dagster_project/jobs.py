"""Jobs: the habits of a data engineer, by name."""

from typing import Any

import dagster as dg

from dagster_project.project import project
from p4d import audit
from p4d.pipeline import STAGES

_PER_SHARD = [stage.name for stage in STAGES if stage.per_shard]
_FROM_RELEASE = [s.name for s in STAGES if s.group in ("release", "students", "evaluation")]


demo = dg.define_asset_job(
    "demo",
    selection=dg.AssetSelection.all(),
    description="Everything, from one shard's videos to the promotion decision.",
)
label_backfill = dg.define_asset_job(
    "label_backfill",
    selection=dg.AssetSelection.assets(*_PER_SHARD),
    description="One shard: videos, clips, labels, regions, facts, questions and their gates.",
)
build_release = dg.define_asset_job(
    "build_release",
    selection=dg.AssetSelection.assets("release"),
    description="Freeze a release of all shards that passed their gates.",
)
retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(*_FROM_RELEASE),
    description="Release, students, evaluation and promotion; unchanged steps are skipped.",
)


@dg.op(description="Re-hash everything the ledger names; fail on what is missing or altered.")
def verify_everything(context: dg.OpExecutionContext) -> None:
    """Run `p4d audit verify` as a step."""
    report = audit.verify(project())
    context.add_output_metadata(
        {"report": dg.MetadataValue.md(f"```\n{report.render_text()}\n```")}
    )
    if not report.ok:
        raise dg.Failure(description=report.render_text(), allow_retries=False)


@dg.job(name="audit", description="Prove that artifacts match the ledger.")
def audit_job() -> None:
    """Verify all artifacts."""
    verify_everything()


JOBS: list[Any] = [demo, label_backfill, build_release, retrain, audit_job]
