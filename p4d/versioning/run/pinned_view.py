"""A private view of pinned versions, which other runs cannot change while a stage reads it.

The files of a version that is in place are hard links, so a run that replaces the folder meanwhile
replaces the folder's names only. A version that is not in place is copied out of the cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from p4d.errors import PublishError
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.files.hashes import Digest, walk_files
from p4d.versioning.state.workspace import Workspace

_Stat = tuple[int, int]


class PinnedView:
    """The folders of pinned versions, by stage, and by shard where the stage has shards.

    Attributes:
        folders: as `StageInputs.folders` takes them.
    """

    def __init__(
        self, workspace: Workspace, versions: Sequence[ArtifactVersion], home: Path
    ) -> None:
        """Link or copy the versions into `home`.

        Raises:
            PublishError: a version is neither in place nor in the cache.
        """
        self._files: dict[Path, _Stat] = {}
        self.folders: dict[str, Path | Mapping[str, Path]] = {}
        shards: dict[str, dict[str, Path]] = {}
        for version in versions:
            key = version.key
            folder = home / key.stage / (key.shard or "")
            folder.parent.mkdir(parents=True, exist_ok=True)
            _open(workspace, version, folder)
            for name, stat in walk_files(folder):
                self._files[folder / name] = (stat.st_size, stat.st_mtime_ns)
            if key.shard is None:
                self.folders[key.stage] = folder
            else:
                shards.setdefault(key.stage, {})[key.shard] = folder
        self.folders.update(shards)

    def refuse_edits(self) -> None:
        """Compare every file with what it was when the view was opened.

        Raises:
            PublishError: a file was edited in place, through its name under `data/`.
        """
        for path, before in self._files.items():
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) != before:
                raise PublishError(f"{path.name} was edited in place while a stage read it")


def _open(workspace: Workspace, version: ArtifactVersion, folder: Path) -> None:
    root, path = workspace.project.root, out_path(version.key)
    if workspace.digest(path) == Digest(version.md5):
        shutil.copytree(root / path, folder, copy_function=_link)
        return
    try:
        dvc_store.checkout(root, version.md5, folder)
    except PublishError as error:
        raise PublishError(
            f"version {version.md5[:8]} of {version.key} is neither in place nor in the cache "
            f"({error}); `dvc fetch {version.key}` or `p4d restore` gets it from a remote"
        ) from error


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
    return target
