"""One stage about to run: everything about it that is looked up, once, in one snapshot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p4d.config import Params
from p4d.errors import PublishError
from p4d.pipeline import Stage, StageInputs
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.dvc.pipeline_file import address, manifest_path, out_path
from p4d.versioning.files.artifact_key import ArtifactKey, bare_md5
from p4d.versioning.files.hashes import Digest
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.lock_recorder import LockRecorder, lock_recorder
from p4d.versioning.state.check_records import Gates
from p4d.versioning.state.fingerprint import Fingerprint
from p4d.versioning.state.inputs import ResolvedInputs, resolve_inputs
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class StageRun:
    """One stage about to run for one artifact.

    Attributes:
        project: where.
        stage: its declaration.
        key: the artifact.
        out: the artifact's folder, relative to the project.
        expected: what the artifact will be made of.
        code_version: hash of command, parameters and code; equal for all shards.
        previous: hash of the version that is current now, or None.
        inputs: what the stage reads.
        recorder: who writes dvc.lock.
    """

    project: Project
    stage: Stage
    key: ArtifactKey
    out: str
    expected: Fingerprint
    code_version: str
    previous: str | None
    inputs: ResolvedInputs
    recorder: LockRecorder

    @property
    def fingerprint(self) -> str:
        """64 hex digits over everything that the artifact is made of."""
        expected = self.expected
        content = {
            "cmd": expected.cmd,
            "params": expected.params_digest,
            "deps": {path: digest.md5 for path, digest in expected.deps.items() if digest},
            "code": self.code_version,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def lock_entry(self, digest: Digest) -> LockEntry:
        """The entry of dvc.lock for a version with this hash."""
        return self.expected.to_entry({self.out: digest})


def prepare(workspace: Workspace, key: ArtifactKey, gates: Gates | None = None) -> StageRun:
    """Look up and check everything that a stage needs to run.

    Args:
        workspace: the snapshot.
        key: which artifact.
        gates: blocking checks of each stage, which an input's version must have passed; default:
            all of `p4d.quality.gates`.

    Raises:
        PublishError: code or an input is missing, or an input is not as recorded.
        GateError: an input's version failed a blocking check, or was never checked.
        ContractError: the pipeline has no such artifact.
    """
    workspace.check_key(key)
    stage, expected = workspace.stage(key.stage), workspace.required(key)
    if expected.missing:
        raise PublishError(
            f"{key} cannot be made, as this is missing: {', '.join(expected.missing)}; "
            "make or restore it first"
        )
    gates = blocking_gates() if gates is None else gates
    return StageRun(
        project=workspace.project,
        stage=stage,
        key=key,
        out=out_path(key),
        expected=expected,
        code_version=workspace.code_version(stage),
        previous=workspace.recorded_md5(key),
        inputs=resolve_inputs(workspace, Ledger(workspace.project), key, gates),
        recorder=lock_recorder(),
    )


def stage_inputs(workspace: Workspace, run: StageRun, previous: Path | None) -> StageInputs:
    """What the stage's function is called with; it has no work directory yet.

    Args:
        workspace: the snapshot that `run` was prepared in.
        run: what runs.
        previous: folder of the version that the stage continues, or None.
    """
    root, stage = run.project.root, run.stage
    return StageInputs(
        stage=stage,
        all_params=Params.from_mapping(workspace.raw_params),
        folders=run.inputs.folders,
        shard=run.key.shard,
        manifest=_manifest(run),
        inbox=run.project.inbox,
        tracked_folders={name: root / name for name in stage.tracked},
        versions=run.inputs.versions,
        excluded=run.inputs.excluded,
        previous=previous,
        reopened=reopened_version(run.project, stage, previous),
    )


def previous_version(workspace: Workspace, run: StageRun) -> Path | None:
    """A folder with the artifact's current version, for a stage that declares to read it.

    Raises:
        PublishError: the stage requires it, and it is neither in place nor in the cache.
    """
    recorded, state = run.previous, run.project.state
    if run.stage.previous == "unread" or recorded is None:
        return None
    if workspace.digest(run.out) == Digest(recorded):
        return run.project.root / run.out
    # Missing or edited: the folder does not hold the version to continue from.
    if dvc_store.is_stored(run.project.root, recorded):
        copy = state / "previous" / recorded
        if not copy.exists():
            dvc_store.checkout(run.project.root, recorded, copy)
        return copy
    if run.stage.previous == "required":
        raise PublishError(
            f"{run.key} continues from its last version {recorded[:8]}, which is neither in place "
            f"nor in the cache; `dvc pull {address(run.key)}` restores it"
        )
    return None


def reopened_version(project: Project, stage: Stage, previous: Path | None) -> Path | None:
    """A folder with the version that a stage's last version names, from the cache.

    None if the stage declares none, none is named, or the cache no longer has it.
    """
    declared = stage.reopens
    if declared is None or previous is None or not (previous / declared.file).is_file():
        return None
    named = json.loads((previous / declared.file).read_text(encoding="utf-8")).get(declared.key)
    if not named:
        return None
    md5 = bare_md5(named)
    if not dvc_store.is_stored(project.root, md5):
        return None
    copy = project.state / "reopened" / md5
    if not copy.exists():
        dvc_store.checkout(project.root, md5, copy)
    return copy


def _manifest(run: StageRun) -> Mapping[str, Any] | None:
    if not run.stage.manifest or run.key.shard is None:
        return None
    path = run.project.root / manifest_path(run.key.shard)
    loaded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
