"""The common part of synthetic projects: versions are collected, then recorded all at once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from p4d.artifacts import write_bytes
from p4d.project import Project
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.artifact_key import ArtifactKey, data_version
from p4d.versioning.files.hashes import Digest
from p4d.versioning.ledger.ledger import Ledger


def hexdigest(*parts: object) -> str:
    """Return a digest of some values, for made-up ids."""
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


class BulkRecorder:
    """Versions of artifacts that `commit` writes to dvc.lock and the ledger.

    Attributes:
        versions: data version of the latest version of every artifact.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.versions: dict[ArtifactKey, str] = {}
        self._lock: dict[str, str] = {}
        self._records: list[tuple[str, Mapping[str, Any]]] = []

    def add(self, key: ArtifactKey, entry: LockEntry, digest: Digest, **fields: Any) -> None:
        """Collect one version: its entry in dvc.lock, and its record with the given fields."""
        text = self._lock[str(key)] = entry.to_text(str(key))
        previous = self.versions.get(key)
        self.versions[key] = data_version(digest.md5)
        record = {
            "id": hexdigest("id", key, digest.md5)[:32], "stage": key.stage, "shard": key.shard,
            "path": dvc_yaml.out_path(key), "md5": digest.md5, "nbytes": digest.nbytes,
            "nfiles": digest.nfiles, "weights": {}, "excluded": {},
            "previous": previous.removeprefix("md5:") if previous else None,
            "lock_entry": hashlib.sha256(text.encode()).hexdigest(),
            "git": {"commit": None, "dirty": False}, "env": "", "rows": {}, "metrics": {},
            "cost": {"wall_s": 0.0}, "run_id": "bulk", "started": "", "ended": "",
        }  # fmt: skip
        self._records.append(("materialization", {**record, **fields}))

    def add_check(self, key: ArtifactKey, **fields: Any) -> None:
        """Collect the record of a check of the latest version."""
        record = {"stage": key.stage, "shard": key.shard,
                  "md5": self.versions[key].removeprefix("md5:")}  # fmt: skip
        self._records.append(("check", {**record, **fields}))

    def commit(self) -> None:
        """Write the collected versions to dvc.lock and the ledger."""
        Ledger(self._project).append_all(self._records)
        self._records = []
        blocks: dict[str, list[str]] = defaultdict(list)
        for name, block in self._lock.items():
            blocks[dvc_yaml.folder_of(ArtifactKey.parse(name).shard)].append(block)
        for folder, of_folder in blocks.items():
            text = "schema: '2.0'\nstages:\n" + "".join(of_folder)
            write_bytes(self._project.root / folder / "dvc.lock", text.encode())
