"""Runs the checks of a published version and records their results, as one act."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.errors import PublishError
from p4d.project import Project
from p4d.quality.gates import check_artifact
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.lock_recorder import LockRecorder, lock_recorder
from p4d.versioning.run.recovery import locked
from p4d.versioning.state.check_records import checks_version, record_checks
from p4d.versioning.state.workspace import Workspace


def check_published(
    project: Project, key: ArtifactKey, *, run_id: str
) -> tuple[ArtifactVersion, Sequence[CheckResult]]:
    """Run the checks of a stage on its published version; returns the version and the results.

    Args:
        project: where.
        key: whose version.
        run_id: of the caller.

    Raises:
        PublishError: nothing is published, or the files are not (or did not stay) that version.
    """
    recorder = lock_recorder()
    with Workspace(project) as workspace:
        before = _published(workspace, key, recorder)
        version = checks_version(workspace)
    if before is None:
        raise PublishError(f"the folder of {key} is not its published version; make it first")
    results = check_artifact(project, key.stage, key.shard)
    with locked(project):
        with Workspace(project) as workspace:
            after = _published(workspace, key, recorder)
        if after != before:
            raise PublishError(f"{key} changed while it was checked; check it again")
        record_checks(project, before, results, run_id=run_id, checks_version=version)
    return before, results


def _published(
    workspace: Workspace, key: ArtifactKey, recorder: LockRecorder
) -> ArtifactVersion | None:
    """The version in the artifact's folder, if it is the current one."""
    present, current = workspace.digest(out_path(key)), recorder.current_md5(workspace, key)
    if present is None or current is None or present.md5 != current:
        return None
    return ArtifactVersion(key, current)
