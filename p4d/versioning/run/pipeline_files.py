"""Keeps dvc.yaml and the links to code as code, stages and shards want them, and the locks in form.

A project of an earlier version has all shards in the files at the root. Their entries are moved to
the locks of their groups, byte for byte, so nothing becomes stale. An entry that names its code
file by file is written again with the folder of the same content, which is a function of the
entry alone; the list of the files is kept, so that `p4d audit verify` finds the published entry.
"""

from __future__ import annotations

from collections import defaultdict

from p4d.project import Project
from p4d.versioning.dvc import code_folder, pipeline_file
from p4d.versioning.dvc.cache import LOCK_WAIT_S, repository_lock
from p4d.versioning.dvc.lock_file import LOCK_FILE, LockFile, write_lock
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.code_lists import keep_code_list
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
    """Write the pipeline files and links that differ, under the project lock; returns their paths.

    Args:
        workspace: where. It has not read a dvc.lock yet.
        recorder: whether DVC runs around this process.
        key: look at the files that concern one artifact; at the others only if the file at the
            root has changed. Of the links look at those of its stage.

    Raises:
        PublishError: DVC runs around this process and has read the old ones.
    """
    root = workspace.project.root
    links = _update_links(workspace, recorder, key)
    folders = pipeline_file.folders_of(workspace.shards)
    own = "" if key is None else pipeline_file.folder_of(key.shard)
    first = list(folders) if key is None else list(dict.fromkeys(("", own)))
    different: dict[str, str] = {}
    for names in (first, [name for name in folders if name not in first]):
        for folder in names:
            path = f"{folder}/{pipeline_file.PIPELINE_FILE}".lstrip("/")
            shards = folders.get(folder, [])
            are_all = len(shards) == len(workspace.shards)
            text = pipeline_file.compose(workspace.stages, folder, shards, are_all)
            file = root / path
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                different[path] = text
        if pipeline_file.PIPELINE_FILE not in different:
            break
    if different:
        recorder.write_pipeline_files(workspace.project, different)
        _move_entries(workspace.project)
    for folder in folders if key is None else first:
        _restate_entries(workspace.project, recorder, folder)
    return [*different, *links]


def _update_links(
    workspace: Workspace, recorder: LockRecorder, key: ArtifactKey | None
) -> list[str]:
    stages = workspace.stages if key is None else [workspace.stage(key.stage)]
    code = {stage.name: workspace.code(stage) for stage in stages}
    root = workspace.project.root
    old = {name: code[name] for name in code if not code_folder.is_current(root, name, code[name])}
    if old:
        recorder.write_links(workspace.project, old)
    return [code_folder.path_of(name) for name in old]


def _restate_entries(project: Project, recorder: LockRecorder, folder: str) -> None:
    """Write entries of one lock that name their code file by file in today's form."""
    home = project.root / folder
    if not _of_earlier_form(project, LockFile.read(home)):
        return
    with recorder.exclusive(project.root, home / LOCK_FILE, [], LOCK_WAIT_S):
        lock = LockFile.read(home)
        blocks = {}
        for name in _of_earlier_form(project, lock):
            stage, entry = name.partition("@")[0], lock.entry(name)
            if entry is not None:
                keep_code_list(project, code_folder.code_of(entry))
                blocks[name] = code_folder.as_folder(stage, entry).to_text(name)
        recorder.write_lock(project, folder, lock.replaced(blocks))


def _of_earlier_form(project: Project, lock: LockFile) -> list[str]:
    return [
        name
        for name in lock.names()
        if (stage := name.partition("@")[0]) in project.by_name
        and code_folder.is_earlier_form(stage, lock.block(name) or "")
    ]


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
