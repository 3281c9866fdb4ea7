"""Makes one artifact: prepares the run, computes into staging, publishes.

A stage runs in this way only, whether a Dagster asset, a command of dvc.yaml or a person starts it.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p4d.compute.stage_call import Compute, Computed, StageCall, compute_here
from p4d.pipeline import StageInputs
from p4d.progress import Progress
from p4d.project import Project
from p4d.quality.gates import blocking_gates
from p4d.versioning.dvc import pipeline_file
from p4d.versioning.dvc.pipeline_file import folder_of
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import Digest
from p4d.versioning.ledger import environment
from p4d.versioning.ledger.code_lists import keep_code_list
from p4d.versioning.ledger.continuity import require_marked
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import plain
from p4d.versioning.run import run_info
from p4d.versioning.run.lock_recorder import lock_recorder
from p4d.versioning.run.pinned_view import PinnedView
from p4d.versioning.run.pipeline_files import update_pipeline_files
from p4d.versioning.run.publish import publish
from p4d.versioning.run.recovery import locked
from p4d.versioning.run.stage_run import (
    StageRun,
    prepare,
    previous_version,
    stage_inputs,
)
from p4d.versioning.run.staging import check_staged, staging
from p4d.versioning.run.work_dir import work_dir
from p4d.versioning.state.check_records import Gates, write_blocked
from p4d.versioning.state.workspace import Workspace

logger = logging.getLogger(__name__)


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
        cost: wall_s, cpu_s, max_rss_bytes, step_rss_bytes; of the run that made it when `skipped`.
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
    compute: Compute = compute_here,
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
        compute: runs the stage's function; by default in this process.

    Raises:
        PublishError: an input is not as recorded, or something changed while the stage ran.
        HistoryError: the ledger does not continue what was anchored of it.
        GateError: an input's version failed a blocking check, or was never checked.
        ContractError: the pipeline has no such artifact.
    """
    gates = blocking_gates() if gates is None else gates
    recorder = lock_recorder()
    with Workspace(project) as workspace:
        with locked(project):
            require_marked(project)
            recorder.restore_torn_lock(project, folder_of(key.shard))
            update_pipeline_files(workspace, recorder, key)
            _drop_delisted(workspace)
            write_blocked(workspace, gates)
        run = prepare(workspace, key, gates)
        made = None if force else _made_already(workspace, run)
        if made is not None:
            return made
        given = stage_inputs(workspace, run, previous_version(workspace, run))
    started = _now()
    with (
        staging(project) as folder,
        work_dir(run) as work,
        ThreadPoolExecutor(1, thread_name_prefix="git") as beside,
    ):
        # Publishing refuses code that changed meanwhile, so what git answers now stays true.
        origin = beside.submit(run_info.code_origin, project.root, run.expected.code)
        view = open_pinned(run, folder / "pinned")
        given = replace(given, work=work, folders={**given.folders, **view.folders})
        done = compute(stage_call(run, given, folder / "new"), progress or given.progress)
        view.refuse_edits()
        check_staged(folder / "new")
        record = _record(run, folder / "new", done, origin.result(), run_id=run_id, started=started)
        environment.keep_list(project)
        keep_code_list(project, run.expected.code_tree.files)
        version = publish(run, folder, record)
    return Materialization(
        version=version,
        code_version=run.code_version,
        upstream=run.inputs.versions,
        excluded=run.inputs.excluded,
        rows=done.report.rows,
        metrics=done.report.metrics,
        cost=done.cost,
        skipped=False,
        path=project.root / run.out,
    )


def _drop_delisted(workspace: Workspace) -> None:
    """Remove the folders of shards that left the list; their versions stay in the cache.

    Stages that read all shards would otherwise hash them as well.
    """
    listed = set(workspace.shards)
    for stage in workspace.stages:
        home = workspace.project.data / stage.name
        if not stage.per_shard or not home.is_dir():
            continue
        for name in sorted({entry.name for entry in os.scandir(home)} - listed):
            folder = home / name
            key = ArtifactKey(stage.name, name)
            known = workspace.recorded_md5(key)
            if known is None or workspace.digest(pipeline_file.out_path(key)) != Digest(known):
                continue  # not recorded, or edited: not ours to remove
            logger.warning("%s is removed: the shard is not on the list", folder)
            shutil.rmtree(folder)


def _made_already(workspace: Workspace, run: StageRun) -> Materialization | None:
    found = workspace.status(run.key)
    if found.state != "fresh" or found.md5 is None:
        return None
    version = ArtifactVersion(run.key, found.md5)
    known: Mapping[str, Any] = Ledger(run.project).index().record(version) or {}
    return Materialization(
        version=version,
        code_version=run.code_version,
        upstream=run.inputs.versions,
        excluded=run.inputs.excluded,
        rows=known.get("rows", {}),
        metrics=known.get("metrics", {}),
        cost=known.get("cost", {}),
        skipped=True,
        path=run.project.root / run.out,
    )


def open_pinned(run: StageRun, home: Path) -> PinnedView:
    """The pinned versions of a run, opened under the lock: no other run replaces one meanwhile."""
    with locked(run.project), Workspace(run.project) as workspace:
        return PinnedView(workspace, run.inputs.pinned, home)


def stage_call(run: StageRun, given: StageInputs, new: Path) -> StageCall:
    """The call of a stage's function, for the process that computes it."""
    expected = run.expected
    return StageCall(
        name=str(run.key),
        root=run.project.root,
        given=given,
        new=new,
        code={path: digest.md5 for path, digest in expected.code.items() if digest},
        inputs={path: digest.md5 for path, digest in expected.deps.items() if digest},
        fingerprint=run.fingerprint,
    )


def _record(
    run: StageRun,
    new: Path,
    done: Computed,
    origin: Mapping[str, Any],
    *,
    run_id: str,
    started: str,
) -> dict[str, Any]:
    """The ledger record of a run; publishing adds the hash of what it made."""
    expected = run.expected
    record: dict[str, Any] = plain(
        {
            "stage": run.key.stage,
            "shard": run.key.shard,
            "path": run.out,
            "weights": dict(run_info.weight_hashes(new)),
            "code_version": run.code_version,
            "fingerprint": {
                "cmd": expected.cmd,
                "params": expected.params,
                "params_digest": expected.params_digest,
                "deps": {path: digest.md5 for path, digest in expected.deps.items() if digest},
            },
            "upstream": dict(run.inputs.versions),
            "excluded": dict(run.inputs.excluded),
            "previous": run.previous,
            **origin,
            "env": environment.environment_digest(),
            "env_lock": environment.lock_digest(),
            "rows": dict(done.report.rows),
            "metrics": dict(done.report.metrics),
            "cost": dict(done.cost),
            **({"computed_on": dict(done.where)} if done.where else {}),
            "run_id": run_id,
            "started": started,
            "ended": _now(),
        }
    )
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
