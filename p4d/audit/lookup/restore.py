"""`p4d restore`: copies a version, current or superseded, out of the cache, by any id or hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Entity, Resolver
from p4d.errors import ContractError, LedgerError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import bare_md5
from p4d.versioning.storage.fetch import Fetcher


@dataclass(frozen=True)
class Restored:
    """A version that was copied out of the cache.

    Attributes:
        key: the artifact, or None if the ledger does not name the version.
        md5: its hash, verified file by file.
        files: how many files it has.
        path: where it is now.
        holds: a line about the row, number or decision asked for, and the file that holds it.
    """

    key: str | None
    md5: str
    files: int
    path: Path
    holds: str | None = None

    def __str__(self) -> str:
        """One line, and one more about what was asked for."""
        line = f"{self.path}: {self.key or 'object'} {self.md5}, {self.files} files, verified"
        return f"{line}\n{self.holds}" if self.holds else line


def restore(
    project: Project,
    identifier: str,
    destination: Path,
    at: str | None = None,
    fetcher: Fetcher | None = None,
) -> Restored:
    """Copy the version that is or holds `identifier` out of the cache.

    Args:
        project: where.
        identifier: any id that `p4d why` explains: of a row, a label, a number, a decision, a
            release, a stage or `stage@shard`, an md5 or its first digits.
        destination: a path that does not exist yet.
        at: first digits of the md5 of the wanted version; default: the current one, or the last
            that holds the id.
        fetcher: brings what the cache lacks.

    Raises:
        ContractError: a stage with shards is named without one.
        LedgerError: no such version is recorded, or several are.
        PublishError: the destination exists, an object is missing or damaged, or the remote cannot
            be used.
    """
    found = _find(project, identifier, at, fetcher)
    if found is None:
        md5, key, holds = bare_md5(identifier), None, None
    else:
        key, md5 = str(found.version.key), found.version.md5
        if found.kind == "stage":
            raise ContractError(f"{key} has one version per shard: name {key}@SHARD")
        if not md5:
            raise LedgerError(
                f"{key} was never made, or dvc.lock lost it: name a version with --at"
            )
        holds = f"{found.id} is in {destination / found.file}" if found.file else None
    if fetcher is not None:
        fetcher.version(md5, key or md5)
    tree = dvc_store.checkout(project.root, md5, destination)
    return Restored(key, md5, len(tree.files), destination, holds)


def _find(
    project: Project, identifier: str, at: str | None, fetcher: Fetcher | None
) -> Entity | None:
    """What the id names; None for the whole hash of an object that is not recorded."""
    with Lookup(project, fetcher.file if fetcher else None) as lookup:
        try:
            return Resolver(lookup).resolve(identifier, at)
        except LedgerError:
            if re.fullmatch(r"(md5:)?[0-9a-f]{32}(\.dir)?", identifier):
                return None
            raise
