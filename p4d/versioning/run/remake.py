"""Making a recorded version again from what it was made of; publishes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from p4d.compute.stage_call import compute_here
from p4d.errors import LedgerError, PublishError
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.run_stage import open_pinned, stage_call
from p4d.versioning.run.stage_run import StageRun, prepare, stage_inputs
from p4d.versioning.state.check_records import Gates
from p4d.versioning.state.workspace import Workspace


def remake(
    workspace: Workspace, key: ArtifactKey, folder: Path, gates: Gates | None = None
) -> StageRun:
    """Make the version of an artifact that dvc.lock names again, in `folder/new`.

    An append-only stage continues from the version that it continued from then. Training begins
    again, without a checkpoint. The published files are not read, so they may be missing.

    Raises:
        PublishError: code, parameters or inputs are not those that it was made of, or an input is
            missing or not as recorded.
        GateError: an input's version failed a blocking check, or was never checked.
        LedgerError: the version is not in the ledger.
    """
    project = workspace.project
    md5 = workspace.recorded_md5(key)
    if md5 is None:
        raise LedgerError(f"no version of {key} is recorded")
    record = Ledger(project).index().record(ArtifactVersion(key, md5))
    if record is None:
        raise LedgerError(f"version {md5} of {key} is not in the ledger")
    run = prepare(workspace, key, gates)
    if run.code_version != record["code_version"]:
        raise PublishError(f"{key} was made by other code or parameters than those of today")
    if dict(run.inputs.versions) != dict(record["upstream"]):
        raise PublishError(f"{key} was made from other versions than those of today")
    if dict(run.inputs.excluded) != dict(record["excluded"]):
        raise PublishError(f"{key} left out {record['excluded']}, today {run.inputs.excluded}")
    previous: Path | None = None
    if record["previous"] and run.stage.previous != "unread":
        previous = folder / "previous"
        dvc_store.checkout(project.root, record["previous"], previous)
    view = open_pinned(run, folder / "pinned")
    given = stage_inputs(workspace, run, previous)
    work = folder / "work"
    work.mkdir()
    given = replace(given, work=work, folders={**given.folders, **view.folders})
    compute_here(stage_call(run, given, folder / "new"), given.progress)
    view.refuse_edits()
    return run
