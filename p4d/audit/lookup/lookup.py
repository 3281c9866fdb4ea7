"""Reads the ledger, dvc.lock and the files of versions, for one question about a project.

A `Lookup` is opened once per command and passed on: to the resolver of ids, to the tree of
`p4d why`, and to whatever collects evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from p4d.artifacts import scan_table
from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import Record
from p4d.versioning.state.workspace import Workspace

Fetch = Callable[[ArtifactVersion, str | None], None]
"""Brings the list of files of a version, and one of them, into the cache."""


class Lookup:
    """A snapshot of a project: what is recorded, what is current, and the files of each version.

    Use as a context manager, so that the hash cache of the workspace is closed.

    Attributes:
        project: which project.
        workspace: its working files and dvc.lock.
        index: its ledger, by artifact and by version.
    """

    def __init__(
        self,
        project: Project,
        fetch: Fetch | None = None,
    ) -> None:
        """Open `project`.

        Args:
            project: which.
            fetch: brings what is neither in place nor in the cache, as
                `p4d.versioning.storage.fetch.Fetcher.file` does.
        """
        self.project = project
        self._fetch = fetch
        self.workspace = Workspace(project)
        self.index = Ledger(project).index()
        self._current: dict[ArtifactKey, str | None] = {}

    def __enter__(self) -> Lookup:
        """The look-up itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the workspace."""
        self.workspace.__exit__()

    def current(self, key: ArtifactKey) -> str | None:
        """Hash of the version that dvc.lock names; None without one, or for an unknown stage."""
        if key not in self._current:
            known = key.stage in self.workspace.by_name
            self._current[key] = self.workspace.recorded_md5(key) if known else None
        return self._current[key]

    def is_current(self, version: ArtifactVersion) -> bool:
        """Whether dvc.lock names this version."""
        return self.current(version.key) == version.md5

    def files(self, version: ArtifactVersion) -> list[str]:
        """Paths of a version's files; none if their list is not in the cache."""
        self._bring(version, None)
        try:
            return list(dvc_store.read_tree(self.project.root, version.md5).files)
        except PublishError:
            return []

    def file(self, version: ArtifactVersion, path: str) -> Path | None:
        """One file of a version: its cache object, else the working file of the same content."""
        stored = self.stored(version, path)
        if stored is not None:
            return stored
        if version.key.stage not in self.workspace.by_name:
            return None
        out = dvc_yaml.out_path(version.key)
        digest = self.workspace.digest(out)
        working = self.project.root / out / path
        same = digest is not None and digest.md5 == version.md5
        return working if same and working.is_file() else None

    def stored(self, version: ArtifactVersion, path: str) -> Path | None:
        """The cache object of one file of a version, fetched if it is nowhere here."""
        self._bring(version, path)
        return stored_file(self.project.root, version, path)

    def _bring(self, version: ArtifactVersion, path: str | None) -> None:
        in_place = (self.project.root / dvc_yaml.out_path(version.key)).is_dir()
        if self._fetch is not None and not (in_place and self.is_current(version)):
            self._fetch(version, path)

    def rows(
        self, version: ArtifactVersion, path: str, column: str, values: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of a table of a version whose `column` is one of `values`."""
        import polars as pl

        table = self.file(version, path)
        if table is None or not values:
            return []
        found = scan_table(table).filter(pl.col(column).is_in(list(values))).collect()
        return found.to_dicts()

    def exports(self) -> dict[str, Record]:
        """The last record of each export, by its id."""
        return {record["export_id"]: record for record in self.index.records("export")}

    def upstream(self, version: ArtifactVersion, stage: str) -> ArtifactVersion | None:
        """The version of `stage`, of the same shard, that a version derives from; nearest first."""
        wanted = ArtifactKey(stage, version.key.shard)
        distance = {version: 0}
        for reader in reversed(self.index.lineage(version)):  # a reader before what it read
            record = self.index.record(reader)
            for read in ArtifactVersion.read_by(record) if record else ():
                distance[read] = min(distance[reader] + 1, distance.get(read, distance[reader] + 1))
        found = [each for each in distance if each.key == wanted and each != version]
        return min(found, key=lambda each: distance[each], default=None)


def stored_file(root: Path, version: ArtifactVersion, path: str) -> Path | None:
    """The cache object of one file of a version, or None if it is not in the cache."""
    try:
        digest = dvc_store.read_tree(root, version.md5).files.get(path)
    except PublishError:
        return None
    stored = None if digest is None else dvc_store.object_path(root, digest.md5)
    return stored if stored is not None and stored.is_file() else None
