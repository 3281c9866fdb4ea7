"""Keeps the files dvc.yaml as code, stages and shards want them, and each entry in its own lock.

A project of an earlier version has all shards in the files at the root. Their entries are moved to
the locks of their groups, byte for byte, so nothing becomes stale.
"""

from __future__ import annotations

from collections import defaultdict

from p4d.project import Project
from p4d.versioning.dvc import pipeline_file
from p4d.versioning.dvc.cache import repository_lock
from p4d.versioning.dvc.lock_file import LockFile, write_lock
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.run.lock_recorder import LockRecorder, lock_recorder
from p4d.versioning.state.workspace import Workspace


def refresh_pipeline_files(project: Project) -> list[str]:
    """Write every pipeline file that is not as code, stages and shards want it; returns the paths.

    Call it after a landing: DVC knows a new shard of another group only by its pipeline file.
    """
    with project_lock(project), Workspace(project) as workspace:
        return update_pipeline_files(workspace, lock_recorder())


def update_pipeline_files(
    workspace: Workspace, recorder: LockRecorder, key: ArtifactKey | None = None
) -> list[str]:
    """Write the pipeline files that differ, under the project lock; returns their paths.

    Args:
        workspace: where. It has not read a dvc.lock yet.
        recorder: whether DVC runs around this process.
        key: look at the files that concern one artifact; at the others only if the file at the
            root has changed.

    Raises:
        PublishError: DVC runs around this process and has read the old ones.
    """
    root = workspace.project.root
    code = {stage.name: workspace.code(stage) for stage in workspace.stages}
    folders = pipeline_file.folders_of(workspace.shards)
    own = "" if key is None else pipeline_file.folder_of(key.shard)
    first = list(folders) if key is None else list(dict.fromkeys(("", own)))
    different: dict[str, str] = {}
    for names in (first, [name for name in folders if name not in first]):
        for folder in names:
            path = f"{folder}/{pipeline_file.PIPELINE_FILE}".lstrip("/")
            shards = folders.get(folder, [])
            are_all = len(shards) == len(workspace.shards)
            text = pipeline_file.compose(workspace.stages, code, folder, shards, are_all)
            file = root / path
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                different[path] = text
        if pipeline_file.PIPELINE_FILE not in different:
            break
    if different:
        recorder.write_pipeline_files(workspace.project, different)
        _move_entries(workspace.project)
    return list(different)


def _move_entries(project: Project) -> None:
    """Move the entries of other groups out of the lock at the root."""
    root = project.root
    if not any(pipeline_file.folder_of(_shard(name)) for name in LockFile.read(root).names()):
        return
    with repository_lock(root):
        lock, moved = LockFile.read(root), defaultdict(list)
        for name in lock.names():
            if folder := pipeline_file.folder_of(_shard(name)):
                moved[folder].append(name)
        for folder, names in moved.items():
            group = LockFile.read(root / folder)
            for name in names:
                if group.block(name) is None:
                    group = LockFile(group.spliced(name, lock.block(name) or ""))
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_lock(root, folder, group.text, project.state)
        gone = [name for names in moved.values() for name in names]
        write_lock(root, "", lock.without(gone), project.state)


def _shard(name: str) -> str | None:
    return name.partition("@")[2] or None
