"""Judge the published version of an instance and put the verdicts on record, as one act."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.config import Project
from p4d.errors import PublishError
from p4d.quality.gates import judge
from p4d.quality.results import CheckResult
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.publish import inside_dvc
from p4d.versioning.state.check_records import record_checks
from p4d.versioning.state.plan import judge_version
from p4d.versioning.state.workspace import Workspace, instance_key


def judge_published(
    project: Project, stage: str, shard: str | None, *, run_id: str
) -> tuple[str, Sequence[CheckResult]]:
    """Run the gates of a stage on what is published; returns its md5 and the verdicts.

    Raises:
        PublishError: nothing is published, or the files are not (or did not stay) that version.
    """
    key = instance_key(stage, shard)
    before = _published(project, stage, shard)
    if before is None:
        raise PublishError(f"{key} is not published as it lies there; make it first")
    results = judge(project, stage, shard)
    if _published(project, stage, shard) != before:
        raise PublishError(f"{key} changed while it was judged; judge it again")
    record_checks(
        project, stage, shard, before, results, run_id=run_id, judge=judge_version(project)
    )
    return before, results


def _published(project: Project, stage: str, shard: str | None) -> str | None:
    """Hash of the instance's files, if it is the recorded one."""
    with Workspace(project) as look:
        present = look.digest(dvc_yaml.out_path(look.stage(stage), shard))
        recorded = look.recorded_md5(stage, shard)
    if inside_dvc():
        # DVC writes its lock entry after the command; until then the ledger knows.
        record = Ledger(project).latest_materialization(stage, shard)
        recorded = record["md5"] if record else None
    return recorded if present is not None and present.md5 == recorded else None
