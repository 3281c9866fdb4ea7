"""Makes one artifact: checks its inputs, computes into staging, publishes.

The one way a stage runs, whoever calls it: a Dagster asset, a `dvc.yaml` command, a person.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p4d.atomic import out_of_space, write_durably
from p4d.config import Params
from p4d.errors import ContractError, PublishError
from p4d.pipeline import Stage, StageInputs, StageReport
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import Digest, Tree, tree_of
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import plain
from p4d.versioning.run import run_info as provenance
from p4d.versioning.run.import_guard import load
from p4d.versioning.run.publish import Checkpoint, inside_dvc, locked, no_checkpoint, publish
from p4d.versioning.run.staging import check_staged, staging
from p4d.versioning.run.work_dir import work_folder
from p4d.versioning.state.check_records import Gates, write_blocked
from p4d.versioning.state.fingerprint import Fingerprint
from p4d.versioning.state.inputs import ResolvedInputs, resolve_inputs
from p4d.versioning.state.workspace import Workspace

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Materialization:
    """One version of one artifact, current when this is returned.

    Attributes:
        version: the artifact and DVC's hash of exactly its files.
        code_version: hash of command, parameters and code; equal for all shards.
        upstream: data version of every artifact that was read, keyed `stage` or `stage@shard`.
        excluded: shards that a fan-in left out, with the reason.
        rows: outcomes of the rows that the stage processed.
        metrics: the stage's own numbers.
        cost: wall_s, cpu_s, max_rss_bytes; of the run that made it when `skipped`.
        skipped: nothing was computed, as nothing had changed.
        path: where the files are.
    """

    version: ArtifactVersion
    code_version: str
    upstream: Mapping[str, str]
    excluded: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float | int | str] = field(default_factory=dict)
    cost: Mapping[str, float | int] = field(default_factory=dict)
    skipped: bool
    path: Path

    @property
    def key(self) -> ArtifactKey:
        """Which artifact."""
        return self.version.key

    @property
    def md5(self) -> str:
        """DVC's hash, without the prefix."""
        return self.version.md5

    @property
    def data_version(self) -> str:
        """DVC's hash with the prefix `md5:`, as Dagster carries it."""
        return self.version.data_version


def run_stage(
    project: Project,
    key: ArtifactKey,
    *,
    run_id: str,
    progress: Progress | None = None,
    force: bool = False,
    gates: Gates | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> Materialization:
    """Make one artifact, or find that it is made already.

    Args:
        project: where.
        key: which artifact.
        run_id: of the caller, for the ledger.
        progress: called `(done, total, note)` by the stage.
        force: compute although nothing changed.
        gates: blocking checks of each stage, which an input's version must have passed; default:
            all of `p4d.quality.gates`.
        checkpoint: for tests, called with each name of `publish.CHECKPOINTS`.

    Raises:
        PublishError: an input is not as recorded, or something changed while the stage ran.
        GateError: an input's version failed a blocking check, or was never checked.
        ContractError: the pipeline has no such artifact.
    """
    gates = blocking_gates() if gates is None else gates
    with Workspace(project) as workspace:
        with locked(project):
            _update_dvc_yaml(workspace)
            _drop_delisted(workspace)
            write_blocked(workspace, gates)
        workspace.check_key(key)
        stage = workspace.stage(key.stage)
        snapshot = workspace.required(key)
        if snapshot.missing:
            raise PublishError(
                f"{key} cannot be made, as this is missing: "
                f"{', '.join(snapshot.missing)}; make or restore it first"
            )
        ledger = Ledger(project)
        inputs = resolve_inputs(workspace, ledger, key, gates)
        made = None if force else _made_already(workspace, ledger, key, inputs)
        if made is not None:
            return made
        function = load(workspace, stage)
        previous = workspace.recorded_md5(key)
        given = stage_inputs(
            workspace, key, inputs, previous=_previous(workspace, key), progress=progress
        )
        code_version = workspace.code_version(stage)
    return _compute_and_publish(
        project,
        key,
        function=function,
        given=given,
        snapshot=snapshot,
        code_version=code_version,
        previous=previous,
        run_id=run_id,
        checkpoint=checkpoint,
    )


def stage_inputs(
    workspace: Workspace,
    key: ArtifactKey,
    inputs: ResolvedInputs,
    *,
    previous: Path | None,
    progress: Progress | None = None,
) -> StageInputs:
    """What the stage's function is called with."""
    stage = workspace.stage(key.stage)
    return StageInputs(
        stage=stage,
        params_=Params.from_mapping(workspace.raw_params),
        folders=inputs.folders,
        shard=key.shard,
        manifest=_manifest(workspace.project, stage, key.shard),
        inbox=workspace.project.inbox,
        tracked_={name: workspace.project.root / name for name in stage.tracked},
        versions=inputs.versions,
        excluded=inputs.excluded,
        previous=previous,
        **({"progress": progress} if progress else {}),  # type: ignore[arg-type]
    )


def _drop_delisted(workspace: Workspace) -> None:
    """Remove the folders of shards that are on the list no more; their versions stay in the cache.

    What reads all shards would otherwise go on hashing them.
    """
    listed = set(workspace.shards)
    for stage in workspace.stages:
        home = workspace.project.data / stage.name
        if not stage.per_shard or not home.is_dir():
            continue
        for folder in home.iterdir():
            key = ArtifactKey(stage.name, folder.name)
            known = workspace.recorded_md5(key)
            if (
                folder.name in listed
                or known is None
                or workspace.digest(dvc_yaml.out_path(key)) != Digest(known)
            ):
                continue  # what is on no record, or was edited, is not ours to remove
            logger.warning("%s is dropped: the shard is not on the list", folder)
            shutil.rmtree(folder)


def _update_dvc_yaml(workspace: Workspace) -> None:
    """Write dvc.yaml anew where code or stages changed.

    Raises:
        PublishError: it is out of date inside `dvc repro`, which has read the old one.
    """
    path = workspace.project.root / "dvc.yaml"
    text = dvc_yaml.compose(
        workspace.stages, {stage.name: workspace.code(stage) for stage in workspace.stages}
    )
    if path.is_file() and path.read_text() == text:
        return
    if inside_dvc():
        raise PublishError("dvc.yaml is older than the code; run `p4d dvc-yaml`, then `dvc repro`")
    write_durably(path, text.encode())
    logger.info("dvc.yaml written anew: stages or imports changed")


def _compute_and_publish(
    project: Project,
    key: ArtifactKey,
    *,
    function: Callable[[StageInputs, Path], StageReport],
    given: StageInputs,
    snapshot: Fingerprint,
    code_version: str,
    previous: str | None,
    run_id: str,
    checkpoint: Checkpoint,
) -> Materialization:
    out = dvc_yaml.out_path(key)
    started = _now()
    with staging(project) as folder, work_folder(project, str(key), snapshot, code_version) as work:
        new = folder / "new"
        with provenance.Cost() as cost:
            report = _compute(function, replace(given, work=work), new, key)
        check_staged(new)
        tree = tree_of(new)

        def compare() -> LockEntry:
            with Workspace(project) as now:
                _refuse_changes(now, key, snapshot, previous, tree)
            return snapshot.to_entry({out: tree.digest})

        record = plain(
            {
                "stage": key.stage,
                "shard": key.shard,
                "path": out,
                "md5": tree.digest.md5,
                "nbytes": tree.digest.nbytes,
                "nfiles": tree.digest.nfiles,
                "weights": dict(provenance.weight_hashes(new)),
                "code_version": code_version,
                "fingerprint": {
                    "cmd": snapshot.cmd,
                    "params": snapshot.params,
                    "params_digest": snapshot.params_digest,
                    "deps": {path: digest.md5 for path, digest in snapshot.deps.items() if digest},
                },
                "upstream": dict(given.versions),
                "excluded": dict(given.excluded),
                "previous": previous,
                "lock_entry": hashlib.sha256(
                    snapshot.to_entry({out: tree.digest}).to_text(str(key)).encode()
                ).hexdigest(),
                "git": provenance.git_state(project.root, snapshot.code),
                "env": provenance.environment_digest(),
                "rows": dict(report.rows),
                "metrics": dict(report.metrics),
                "cost": cost.values,
                "run_id": run_id,
                "started": started,
                "ended": _now(),
            }
        )
        publish(
            project,
            folder,
            key=str(key),
            out=out,
            reads=list(snapshot.deps),
            tree=tree,
            entry=compare,
            record=record,
            # A result that took hours is not thrown away because a `dvc push` takes minutes.
            patience_s=max(dvc_store.LOCK_WAIT_S, cost.values["wall_s"]),
            checkpoint=checkpoint,
        )
    with Workspace(project) as workspace:
        workspace.cache.adopt(project.root / out, tree)
    return Materialization(
        version=ArtifactVersion(key, tree.digest.md5),
        code_version=code_version,
        upstream=given.versions,
        excluded=given.excluded,
        rows=report.rows,
        metrics=report.metrics,
        cost=cost.values,
        skipped=False,
        path=project.root / out,
    )


def _compute(
    function: Callable[[StageInputs, Path], StageReport],
    given: StageInputs,
    new: Path,
    key: ArtifactKey,
) -> StageReport:
    try:
        report = function(given, new)
    except OSError as error:
        if out_of_space(error):
            raise PublishError(
                f"{key}: no room left while computing ({error}); the old version is in place, "
                "free space and run again"
            ) from error
        raise
    if not isinstance(report, StageReport):
        raise ContractError(f"{key}: the stage returned {type(report).__name__}, no StageReport")
    return report


def _refuse_changes(
    now: Workspace,
    key: ArtifactKey,
    snapshot: Fingerprint,
    previous: str | None,
    tree: Tree,
) -> None:
    changes = now.required(key).differences(snapshot.to_entry({}))
    if changes:
        raise PublishError(
            f"{key} is not published, as this changed while it was made: {'; '.join(changes)}. "
            "Run it again"
        )
    recorded = now.recorded_md5(key)
    if recorded not in (previous, tree.digest.md5):
        raise PublishError(f"{key} is not published: another run published it meanwhile")


def _made_already(
    workspace: Workspace, ledger: Ledger, key: ArtifactKey, inputs: ResolvedInputs
) -> Materialization | None:
    found = workspace.status(key)
    if found.state != "fresh" or found.md5 is None:
        return None
    record = ledger.index().record(ArtifactVersion(key, found.md5))
    known: Mapping[str, Any] = record or {}
    return Materialization(
        version=ArtifactVersion(key, found.md5),
        code_version=workspace.code_version(workspace.stage(key.stage)),
        upstream=inputs.versions,
        excluded=inputs.excluded,
        rows=known.get("rows", {}),
        metrics=known.get("metrics", {}),
        cost=known.get("cost", {}),
        skipped=True,
        path=workspace.project.root / dvc_yaml.out_path(key),
    )


def _previous(workspace: Workspace, key: ArtifactKey) -> Path | None:
    """The artifact's last version, for stages that declare to read it.

    Raises:
        PublishError: it is required, and neither in place nor in the cache.
    """
    stage, recorded = workspace.stage(key.stage), workspace.recorded_md5(key)
    if stage.previous == "unread" or recorded is None:
        return None
    path = dvc_yaml.out_path(key)
    if workspace.digest(path) == Digest(recorded):
        return workspace.project.root / path
    # Missing or edited: what lies there is not the version to continue from.
    if dvc_store.is_stored(workspace.project.root, recorded):
        copy = workspace.project.state / "previous" / recorded
        if not copy.exists():
            dvc_store.checkout(workspace.project.root, recorded, copy)
        return copy
    if stage.previous == "required":
        raise PublishError(
            f"{key} continues from its last version {recorded[:8]}, which is neither in place nor "
            f"in the cache; `dvc pull {key}` restores it"
        )
    return None


def _manifest(project: Project, stage: Stage, shard: str | None) -> Mapping[str, Any] | None:
    if not stage.manifest or shard is None:
        return None
    loaded: Mapping[str, Any] = json.loads(
        (project.root / dvc_yaml.manifest_path(shard)).read_text()
    )
    return loaded


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
