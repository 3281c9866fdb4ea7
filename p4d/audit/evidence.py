"""All that is on record about one thing: what it says, every version behind it, hashes, checks.

Collected once, for the page a person reads (report.py) and for the archive that a stranger checks
(bundle.py). Versions are the exact ones that were read, by the ledger.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p4d.audit.lookup.resolve import Named, Names
from p4d.audit.lookup.why import Node, why
from p4d.errors import LedgerError, PublishError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.ledger.index import LedgerIndex
from p4d.versioning.ledger.ledger import FIRST, Ledger
from p4d.versioning.ledger.record import Record
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class FileHash:
    """One file of a version.

    Attributes:
        path: relative to the version's folder.
        md5: what the version's own hash is made of.
        sha256: of the bytes in the cache; None where they are gone.
        nbytes: their size, or None.
        object: where they lie in the cache, or None.
    """

    path: str
    md5: str
    sha256: str | None
    nbytes: int | None
    object: Path | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version with its record.

    Attributes:
        key: `stage` or `stage@shard`.
        md5: its hash.
        record: of the ledger, or None where it has none.
        line: number of that line, and the SHA-256 of its text.
        checks: the latest verdict of each check that judged exactly this version.
        files: what it is made of.
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
class Dossier:
    """Everything about one thing.

    Attributes:
        named: the thing, and what it says.
        tree: what stands behind it, row by row.
        entries: every version it derives from, upstream first, its own last.
        sources: rows of the source videos.
        ledger: the text of the whole ledger, and `head`, the SHA-256 of its last line.
        gaps: what a reader should know is missing or not as it should be, in words.
    """

    named: Named
    tree: Node
    entries: tuple[Entry, ...]
    sources: tuple[Mapping[str, Any], ...]
    ledger: bytes
    lines: int
    head: str
    gaps: tuple[str, ...]

    @property
    def own(self) -> Entry:
        """The version that is or holds the thing."""
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


def collect(project: Project, identifier: str, at: str | None = None) -> Dossier:
    """Collect everything about an id; hashes every file behind it.

    Raises:
        LedgerError: nothing on record goes by that name, it was never made, or the ledger's chain
            is broken.
    """
    ledger = Ledger(project)
    chain = ledger.verify_chain()
    if not chain.ok:
        raise LedgerError(
            f"the ledger is damaged ({chain.faults[0]}): `p4d audit verify` says more"
        )
    tree = why(project, identifier, at)
    text = ledger.path.read_bytes() if ledger.path.exists() else b""
    lines = text.split(b"\n")[:-1]
    with Workspace(project) as look:
        history = ledger.index()
        names = Names(look, history)
        named = names.find(identifier, at)
        if not named.version.md5:
            raise LedgerError(
                f"{identifier} is no single version; name one, such as {named.version.key}@SHARD"
            )
        hashes: dict[str, FileHash] = {}
        entries = tuple(
            _entry(project, names, history, lines, version, hashes)
            for version in history.lineage(named.version)
        )
        rests_on = {node.id for node in _walk(tree) if node.kind == "video"}
        sources = tuple(
            row
            for row in source_videos(names, history.lineage(named.version))
            if not rests_on or row["video_id"] in rests_on
        )
    return Dossier(
        named=named,
        tree=tree,
        entries=entries,
        sources=sources,
        ledger=text,
        lines=chain.lines,
        head=chain.head if lines else FIRST,
        gaps=tuple(_gaps(entries, sources)),
    )


def _entry(
    project: Project,
    names: Names,
    history: LedgerIndex,
    lines: Sequence[bytes],
    version: ArtifactVersion,
    hashes: dict[str, FileHash],
) -> Entry:
    key, md5 = version.key, version.md5
    record = history.record(version)
    line = history.line[record["id"]] if record else None
    return Entry(
        key=str(key),
        stage=key.stage,
        shard=key.shard,
        md5=md5,
        record=record,
        line=line,
        line_sha256=hashlib.sha256(lines[line - 1]).hexdigest() if line else None,
        checks=dict(sorted(history.checks(version).items())),
        files=tuple(_files(project.root, md5, hashes)),
        current=names.current(key) == md5,
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


def source_videos(names: Names, versions: Sequence[ArtifactVersion]) -> Iterator[Mapping[str, Any]]:
    """Rows of the landed videos among `versions`, rejected ones included, with their shard."""
    import polars as pl

    for version in versions:
        if version.key.stage == "videos":
            path = names.file(version, "videos.parquet")
            for row in pl.read_parquet(path).to_dicts() if path else []:
                yield {"shard": version.key.shard, **row}


def _gaps(entries: Sequence[Entry], sources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        if entry.record is None:
            yield f"{entry.key} {entry.md5[:12]} is not in the ledger: what made it is unknown"
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


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def by_stage(entries: Sequence[Entry]) -> Mapping[str, list[Entry]]:
    """Entries grouped by stage, in order."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.stage].append(entry)
    return found
