"""Bringing a version back, current or superseded, by name or hash; verified file by file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.config import Project
from p4d.errors import ContractError, LedgerError
from p4d.pipeline import STAGES, Stage
from p4d.versioning import dvc_store
from p4d.versioning.fingerprint import instance_key
from p4d.versioning.ledger import Ledger, bare


@dataclass(frozen=True)
class Restored:
    """A version that was brought back.

    Attributes:
        key: the instance it was made as, or None where the ledger does not know it.
        md5: its hash, verified file by file.
        files: how many files it has.
        path: where it is now.
    """

    key: str | None
    md5: str
    files: int
    path: Path

    def __str__(self) -> str:
        """One line."""
        return f"{self.path}: {self.key or 'object'} {self.md5}, {self.files} files, verified"


def restore(
    project: Project,
    identifier: str,
    destination: Path,
    at: str | None = None,
    stages: Sequence[Stage] = STAGES,
) -> Restored:
    """Copy a version, current or superseded, out of the cache.

    Args:
        project: where.
        identifier: `stage` or `stage@shard` (the latest version, or the one that `at` names), or
            an md5 or its first digits.
        destination: a path that does not exist yet.
        at: first digits of the md5 of the version wanted.
        stages: the whole pipeline.

    Raises:
        LedgerError: no such version is on record, or several are.
        PublishError: the destination exists, or an object is missing or damaged.
    """
    ledger = Ledger(project)
    name, _, shard = identifier.partition("@")
    stage = {stage.name: stage for stage in stages}.get(name)
    if stage is not None:
        if stage.per_shard and not shard:
            raise ContractError(f"{name} has one version per shard: name {name}@SHARD")
        made = [
            r
            for r in ledger.records("materialization")
            if r["stage"] == name and r["shard"] == (shard or None)
        ]
        wanted = [r for r in made if r["md5"].startswith(bare(at or ""))]
        wanted = wanted if at else wanted[-1:]
    else:
        made = wanted = ledger.materializations_of(identifier)
    versions = list(dict.fromkeys(r["md5"] for r in wanted))
    if len(versions) > 1:
        raise LedgerError(f"{at or identifier} fits several versions: {', '.join(versions)}")
    if versions:
        md5, key = versions[0], instance_key(wanted[-1]["stage"], wanted[-1]["shard"])
    elif re.fullmatch(r"(md5:)?[0-9a-f]{32}(\.dir)?", identifier):
        md5, key = bare(identifier), None
    else:
        known = ", ".join(dict.fromkeys(r["md5"][:12] for r in made)) or "none"
        raise LedgerError(f"no version {at or ''} of {identifier} is on record; on record: {known}")
    tree = dvc_store.checkout(project.root, md5, destination)
    return Restored(key, md5, len(tree.files), destination)
