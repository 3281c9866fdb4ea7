"""Collects what is recorded about one entity: its values, every version behind it, hashes, checks.

The audit report (`page/report.py`) shows it to readers, and the bundle (`proof/bundle.py`) lets
anybody check it. Versions are the exact ones that were read, by the ledger.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from p4d.artifacts import read_table
from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Entity, Resolver
from p4d.audit.lookup.tree import Node
from p4d.audit.lookup.why import explain
from p4d.errors import LedgerError, PublishError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.ledger.environment import kept_list
from p4d.versioning.ledger.ledger import FIRST, Ledger
from p4d.versioning.ledger.record import Record


@dataclass(frozen=True, kw_only=True)
class FileHash:
    """One file of a version.

    Attributes:
        path: relative to the version's folder.
        md5: its hash in DVC's cache; the version's own hash is made of these.
        sha256: of the bytes in the cache; None if they are gone.
        nbytes: their size, or None.
        object: their place in the cache, or None.
    """

    path: str
    md5: str
    sha256: str | None
    nbytes: int | None
    object: Path | None


@dataclass(frozen=True, kw_only=True)
class VersionEvidence:
    """One version with its record.

    Attributes:
        key: `stage` or `stage@shard`.
        md5: its hash.
        record: its ledger record, or None if it has none.
        line: number of that line in the ledger; `line_sha256` is the SHA-256 of its text.
        checks: the latest result of each check of exactly this version.
        files: its files.
        current: whether dvc.lock names it now.
    """

    key: str
    stage: str
    shard: str | None
    md5: str
    record: Record | None
    line: int | None
    line_sha256: str | None
    checks: Mapping[str, Record]
    files: tuple[FileHash, ...]
    current: bool

    @property
    def failed(self) -> list[str]:
        """Blocking checks that this version failed."""
        return [n for n, c in self.checks.items() if c.get("blocking") and not c["passed"]]

    @property
    def warned(self) -> list[str]:
        """Checks that it failed and that do not block."""
        return [n for n, c in self.checks.items() if not c.get("blocking") and not c["passed"]]


@dataclass(frozen=True, kw_only=True)
class AuditEvidence:
    """Everything that is recorded about one entity.

    Attributes:
        named: the entity and its values.
        tree: its lineage, row by row.
        entries: every version it derives from, upstream first, its own last.
        sources: rows of the source videos.
        ledger: the text of the whole ledger; `lines` is their number, and `head` the SHA-256 of the
            last one.
        environments: digest of each environment that a version was made in, with its packages;
            none if no list was kept.
        gaps: what is missing or not as it should be, in words.
    """

    named: Entity
    tree: Node
    entries: tuple[VersionEvidence, ...]
    sources: tuple[Mapping[str, Any], ...]
    ledger: bytes
    lines: int
    head: str
    environments: Mapping[str, tuple[str, ...]]
    gaps: tuple[str, ...]

    @property
    def own(self) -> VersionEvidence:
        """The version that is or holds the entity."""
        return self.entries[-1]

    def cost(self) -> dict[str, dict[str, float]]:
        """Per stage: versions, wall_s, cpu_s and bytes of everything it derives from."""
        found: dict[str, dict[str, float]] = {}
        for entry in self.entries:
            if entry.record is None:
                continue
            of = found.setdefault(entry.stage, dict.fromkeys(("n", "wall_s", "cpu_s", "bytes"), 0))
            of["n"] += 1
            of["wall_s"] += entry.record["cost"].get("wall_s", 0)
            of["cpu_s"] += entry.record["cost"].get("cpu_s", 0)
            of["bytes"] += entry.record["nbytes"] or 0
        return found


def collect(project: Project, identifier: str, at: str | None = None) -> AuditEvidence:
    """Collect everything about an id; hashes every file behind it.

    Raises:
        LedgerError: nothing recorded has that name, it was never made, or the ledger's chain is
            broken.
    """
    ledger = Ledger(project)
    chain = ledger.verify_chain()
    if not chain.ok:
        raise LedgerError(
            f"the ledger is damaged ({chain.faults[0]}); run `p4d audit verify` for details"
        )
    text = ledger.path.read_bytes() if ledger.path.exists() else b""
    lines = text.split(b"\n")[:-1]
    with Lookup(project) as lookup:
        entity = Resolver(lookup).resolve(identifier, at)
        if not entity.version.md5:
            raise LedgerError(
                f"{identifier} is no single version; name one, such as {entity.version.key}@SHARD"
            )
        tree = explain(lookup, entity)
        versions = lookup.index.lineage(entity.version)
        hashes: dict[str, FileHash] = {}
        entries = tuple(_entry(lookup, lines, version, hashes) for version in versions)
        rests_on = {node.id for node in tree.walk() if node.kind == "video"}
        sources = tuple(
            row
            for row in source_videos(lookup, versions)
            if not rests_on or row["video_id"] in rests_on
        )
    return AuditEvidence(
        named=entity,
        tree=tree,
        entries=entries,
        sources=sources,
        ledger=text,
        lines=chain.lines,
        head=chain.head if lines else FIRST,
        environments={
            digest: _packages(project, digest)
            for digest in sorted({entry.record["env"] for entry in entries if entry.record})
        },
        gaps=tuple(_gaps(entries, sources)),
    )


def _packages(project: Project, digest: str) -> tuple[str, ...]:
    try:
        return kept_list(project, digest)
    except FileNotFoundError:  # made by a version of p4d that kept none
        return ()


def _entry(
    lookup: Lookup,
    lines: Sequence[bytes],
    version: ArtifactVersion,
    hashes: dict[str, FileHash],
) -> VersionEvidence:
    entry = recorded_entry(lookup, version)
    return replace(
        entry,
        line_sha256=hashlib.sha256(lines[entry.line - 1]).hexdigest() if entry.line else None,
        files=tuple(_files(lookup.project.root, version.md5, hashes)),
    )


def recorded_entry(lookup: Lookup, version: ArtifactVersion) -> VersionEvidence:
    """One version with its record and checks, as the ledger has them; no file is hashed."""
    record = lookup.index.record(version)
    return VersionEvidence(
        key=str(version.key),
        stage=version.key.stage,
        shard=version.key.shard,
        md5=version.md5,
        record=record,
        line=lookup.index.line[record["id"]] if record else None,
        line_sha256=None,
        checks=dict(sorted(lookup.index.checks(version).items())),
        files=(),
        current=lookup.is_current(version),
    )


def _files(root: Path, md5: str, hashes: dict[str, FileHash]) -> Iterator[FileHash]:
    try:
        tree = dvc_store.read_tree(root, md5)
    except PublishError:
        return
    for path, digest in tree.files.items():
        known = hashes.get(digest.md5)
        if known is None:
            stored = dvc_store.object_path(root, digest.md5)
            here = stored.is_file()
            known = hashes[digest.md5] = FileHash(
                path=path,
                md5=digest.md5,
                sha256=sha256_file(stored) if here else None,
                nbytes=stored.stat().st_size if here else None,
                object=stored if here else None,
            )
        yield FileHash(
            path=path, md5=known.md5, sha256=known.sha256, nbytes=known.nbytes, object=known.object
        )


def source_videos(
    lookup: Lookup, versions: Sequence[ArtifactVersion]
) -> Iterator[Mapping[str, Any]]:
    """Rows of the landed videos among `versions`, rejected ones included, with their shard."""
    for version in versions:
        if version.key.stage == "videos":
            path = lookup.file(version, "videos.parquet")
            for row in read_table(path).to_dicts() if path else []:
                yield {"shard": version.key.shard, **row}


def _gaps(
    entries: Sequence[VersionEvidence], sources: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for entry in entries:
        if entry.record is None:
            yield f"{entry.key} {entry.md5[:12]} is not in the ledger: what made it is unknown"
        elif (package := entry.record.get("package", {})).get("distribution"):
            if package["edited"]:
                yield (
                    f"{entry.key} was made by p4d {package['version']}, edited after it was "
                    f"installed: {', '.join(package['edited'])}"
                )
        elif entry.record["git"]["dirty"]:
            yield (
                f"{entry.key} was made by code that differed from commit "
                f"{(entry.record['git']['commit'] or 'none')[:10]}; branch p4d-ledger may hold it"
            )
        elif entry.record["git"]["commit"] is None:
            yield f"{entry.key} was made outside of git: its code is known by hash alone"
        gone = [file.path for file in entry.files if file.object is None]
        if gone or not entry.files:
            what = f"{len(gone)} of {len(entry.files)} files" if entry.files else "the files"
            yield f"{what} of {entry.key} {entry.md5[:12]} are not in the cache (`dvc pull`?)"
        for name in entry.failed:
            yield f"{entry.key} failed the blocking check {name}"
    unstated = [row for row in sources if row["outcome"] == "ok" and row["licence"] == "unstated"]
    if unstated:
        yield f"{len(unstated)} of the source videos came without a stated licence"


def by_stage(entries: Sequence[VersionEvidence]) -> Mapping[str, list[VersionEvidence]]:
    """Entries grouped by stage, in order."""
    found: dict[str, list[VersionEvidence]] = defaultdict(list)
    for entry in entries:
        found[entry.stage].append(entry)
    return found
