"""Runs the gates of a published version and records their results, as one act."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.errors import PublishError
from p4d.project import Project
from p4d.quality.gates import check_artifact
from p4d.quality.results import CheckResult
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.publish import inside_dvc, locked
from p4d.versioning.state.check_records import checks_version, record_checks
from p4d.versioning.state.workspace import Workspace


def check_published(
    project: Project, key: ArtifactKey, *, run_id: str
) -> tuple[ArtifactVersion, Sequence[CheckResult]]:
    """Run the gates of a stage on its published version; returns the version and the results.

    Raises:
        PublishError: nothing is published, or the files are not (or did not stay) that version.
    """
    before = _published(project, key)
    if before is None:
        raise PublishError(f"the folder of {key} is not its published version; make it first")
    results = check_artifact(project, key.stage, key.shard)
    version = checks_version(project)
    with locked(project):
        if _published(project, key) != before:
            raise PublishError(f"{key} changed while it was checked; check it again")
        record_checks(project, before, results, run_id=run_id, checks_version=version)
    return before, results


def _published(project: Project, key: ArtifactKey) -> ArtifactVersion | None:
    """The version of the artifact's files, if it is the recorded one."""
    with Workspace(project) as workspace:
        present = workspace.digest(dvc_yaml.out_path(key))
        recorded = workspace.recorded_md5(key)
    if inside_dvc():
        # DVC writes its lock entry after the command; until then the ledger knows.
        record = Ledger(project).index().latest(key)
        recorded = record["md5"] if record else None
    if present is None or recorded is None or present.md5 != recorded:
        return None
    return ArtifactVersion(key, recorded)
