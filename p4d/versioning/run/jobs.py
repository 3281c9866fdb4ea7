"""Jobs of an engine: making an artifact, and checking what is published of it."""

from __future__ import annotations

from collections.abc import Sequence

from p4d.compute.engine import Job
from p4d.compute.stage_call import Compute
from p4d.pipeline import Needs
from p4d.progress import Progress
from p4d.project import Project
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.check_published import check_published
from p4d.versioning.run.run_stage import Materialization, run_stage


def make_job(
    project: Project, key: ArtifactKey, *, run_id: str, force: bool = False
) -> Job[Materialization]:
    """The job that makes an artifact, or finds that it is made already; see `run_stage`."""
    return Job(
        name=str(key),
        needs=project.stage(key.stage).needs,
        function=_make,
        arguments=(project, key, run_id, force),
    )


def check_job(
    project: Project, key: ArtifactKey, *, run_id: str
) -> Job[tuple[ArtifactVersion, Sequence[CheckResult]]]:
    """The job that checks the published version of an artifact; see `check_published`."""
    return Job(
        name=f"checks of {key}",
        needs=Needs(),
        function=_check,
        arguments=(project, key, run_id),
        checks=True,
    )


def _make(
    project: Project,
    key: ArtifactKey,
    run_id: str,
    force: bool,
    *,
    progress: Progress,
    compute: Compute,
) -> Materialization:
    return run_stage(project, key, run_id=run_id, progress=progress, force=force, compute=compute)


def _check(
    project: Project,
    key: ArtifactKey,
    run_id: str,
    *,
    progress: Progress,
    compute: Compute,
) -> tuple[ArtifactVersion, Sequence[CheckResult]]:
    del progress, compute  # checks read the published files, here
    return check_published(project, key, run_id=run_id)
