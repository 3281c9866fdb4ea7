"""`p4d audit verify`: checks by reading every byte that all that the ledger names is unaltered.

The list of files is taken under the project lock, for a consistent view; hashing runs without the
lock, on all cores. An output that is not as listed is checked again under the lock, because it may
have been published again meanwhile. Cache objects never change.

The hash cache is not used: equal times and sizes prove nothing. An interrupted run is resumed from
its own journal, which records what that run has read.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.audit.exported import export_problems
from p4d.audit.proof import listings
from p4d.audit.proof.hash_journal import HashReader
from p4d.audit.takedown import purged_objects
from p4d.errors import LedgerError, P4DError, PublishError
from p4d.ids import sha256_file
from p4d.progress import Progress
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.config import cache_dir
from p4d.versioning.dvc.lock_file import LOCK_FILE
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import Digest, Tree, walk_files
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.code_lists import code_list_problems
from p4d.versioning.ledger.continuity import holds_head
from p4d.versioning.ledger.environment import list_problems
from p4d.versioning.ledger.ledger import LEDGER_PATH, Ledger
from p4d.versioning.ledger.problem import Fault, Problem
from p4d.versioning.ledger.record import Record, is_intact
from p4d.versioning.run.journal import has_journal
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True)
class VerifyReport:
    """Result of re-hashing everything that the ledger names.

    Attributes:
        versions: recorded versions.
        files: files of current versions that were re-hashed in the working tree.
        objects: cache objects that were re-hashed.
        ledger_lines: length of the chain.
        ledger_head: SHA-256 of its last line.
        problems: what is wrong; empty if everything is as recorded.
        nbytes: bytes that were read.
        seconds: how long reading them took.
        resumed: files that an interrupted run had read and that were not read again.
        head_line: line of the published head that was asked for, or None.
        notice: what could not be compared, or None.
        compared_files: whether files in place and in the cache were compared.
        exports: recorded exports whose folders are gone; those that are there were re-hashed.
        unexplained: cache objects of no recorded version, left by a run that died before it
            published, or written by DVC alone. Harmless; `dvc gc --all-commits` removes them.
    """

    versions: int
    files: int
    objects: int
    ledger_lines: int
    ledger_head: str
    problems: tuple[Problem, ...]
    nbytes: int = 0
    seconds: float = 0.0
    resumed: int = 0
    unexplained: tuple[str, ...] = ()
    head_line: int | None = None
    notice: str | None = None
    exports: tuple[str, ...] = ()
    compared_files: bool = True

    @property
    def ok(self) -> bool:
        """Whether everything is as recorded."""
        return not self.problems

    def render_text(self) -> str:
        """The result and each problem, one per line."""
        lines = [f"{p.kind}: {p.path}: {p.detail}" for p in self.problems]
        lines += [f"note: {path}: of no recorded version" for path in self.unexplained]
        lines += [f"note: {text}" for text in self.exports]
        if self.notice:
            lines.append(f"note: {self.notice}")
        if self.head_line is not None:
            after = self.ledger_lines - self.head_line
            lines.append(
                f"the published head is line {self.head_line}: this line and all before it are as "
                f"published; {after} lines were appended since"
            )
        result = "OK" if self.ok else f"{len(self.problems)} problems"
        resumed = f" ({self.resumed} of them by the interrupted run)" if self.resumed else ""
        compared = (
            f"{self.versions} recorded versions, {self.files} files and {self.objects} "
            f"cache objects re-hashed{resumed}, {self.nbytes / 2**20:.0f} MiB in "
            f"{self.seconds:.1f} s, "
            if self.compared_files
            else "dvc.lock and the lists compared, no artifact is here, "
        )
        lines.insert(
            0 if self.ok else len(lines),
            f"{result}: {compared}ledger of {self.ledger_lines} lines, head "
            f"{self.ledger_head[:16]}",
        )
        return "\n".join(lines)


def verify(
    project: Project,
    *,
    progress: Progress | None = None,
    resume: bool = False,
    workers: int | None = None,
    head: str | None = None,
    files: bool = True,
) -> VerifyReport:
    """Re-hash every file of the current versions and every cache object of all versions.

    Args:
        project: where.
        progress: called `(MiB done, MiB in all, what)` now and then.
        resume: continue an interrupted run of the last day, if there is one. Files that it read
            count if their size, times and inode are unchanged.
        workers: threads that hash; default: one per core.
        head: hash of a ledger line that was published elsewhere (64 hex digits); the ledger must
            hold it.
        files: whether to compare files in place and in the cache; without, the ledger, dvc.lock,
            the lists and the anchor.

    Raises:
        LedgerError: `head` is no SHA-256.
    """
    if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
        raise LedgerError(f"{head!r} is no head of a ledger; `p4d audit head` prints 64 hex digits")
    verifier = _Verifier(project, progress or (lambda done, total, note: None), files=files)
    return verifier.run(resume, workers or os.cpu_count() or 1, head)


@dataclass(frozen=True)
class _Current:
    """What an artifact should be, as listed under the lock."""

    key: ArtifactKey
    md5: str | None
    latest: Record | None

    @property
    def out(self) -> str:
        return dvc_yaml.out_path(self.key)


class _Verifier:
    def __init__(self, project: Project, progress: Progress, *, files: bool) -> None:
        self._project, self._progress, self._files = project, progress, files
        self._root = project.root
        self._ledger = Ledger(project)
        self._cache = cache_dir(project.root)
        self._problems: list[Problem] = []
        self._hashes = HashReader(project.root)
        self._purged = purged_objects(project)

    def run(self, resume: bool, workers: int, head: str | None) -> VerifyReport:
        self._progress(0, 1, "listing")
        with project_lock(self._project):
            if has_journal(self._project):
                recover(self._project)  # finishes what a killed process was publishing
            chain = self._ledger.verify_chain()
            records, current = self._list(trust_all=chain.ok)
            self._problems += [
                *listings.manifest_problems(self._project, records),
                *listings.blocked_problems(self._project),
                *listings.lock_file_problems(self._project, records, [c.key for c in current]),
                *listings.orphan_problems(self._project),
                *list_problems(self._project),
                *code_list_problems(self._project),
            ]
            suspects = [c for c in current if (self._root / c.out).is_dir()]
            files = {c.key: self._files_of(c) for c in suspects}
        for fault in chain.faults:
            self._report("altered", LEDGER_PATH, fault)
        self._problems += listings.anchor_problems(self._project)
        head_line = None if head is None else holds_head(self._project, head)
        if head is not None and head_line is None:
            detail = f"does not continue the published head {head}: no line has this hash"
            self._report("altered", LEDGER_PATH, detail)
        versions = {ArtifactVersion.of_record(record): record for record in records}
        if not self._files:
            current, versions = [], {}
        cached = {md5: self._objects_of(md5) for md5 in {version.md5 for version in versions}}
        objects = {oid for named in cached.values() for _, oid in named}
        paths = [self._root / c.out / name for c in suspects for name in files[c.key]]
        paths += [self._object(oid) for oid in sorted(objects)]
        started = time.monotonic()
        self._hashes.all(paths, workers, self._progress, resume=resume, head=chain.head)
        seconds = time.monotonic() - started
        for each in current:
            self._check_current(each, files.get(each.key))
        for version, record in versions.items():
            self._check_cached(version, record["path"], cached[version.md5])
        gone = self._check_exports(chain.ok)
        return VerifyReport(
            versions=len(versions),
            files=sum(map(len, files.values())),
            objects=len(objects),
            ledger_lines=chain.lines,
            ledger_head=chain.head,
            problems=tuple(dict.fromkeys(self._problems)),
            nbytes=self._hashes.nbytes,
            seconds=seconds,
            resumed=self._hashes.resumed,
            unexplained=tuple(self._unexplained(objects)),
            head_line=head_line,
            notice=listings.anchor_notice(self._project),
            exports=gone,
            compared_files=self._files,
        )

    def _check_exports(self, chain_ok: bool) -> tuple[str, ...]:
        """Compare the exported folders that are there; return a note for each that is gone."""
        if not chain_ok:  # a record that may be altered says nothing of a folder
            return ()
        problems, gone = export_problems(self._project)
        self._problems += problems
        return tuple(gone)

    def _report(self, kind: Fault, path: str, detail: str) -> None:
        self._problems.append(Problem(kind, path, detail))

    # --- what should be -----------------------------------------------------------------------

    def _list(self, *, trust_all: bool) -> tuple[list[Record], list[_Current]]:
        try:
            records = list(self._ledger.records("materialization"))
        except LedgerError as error:
            self._report("altered", LEDGER_PATH, str(error))
            return [], []
        # A damaged chain is reported on its own; an altered record proves nothing.
        if not trust_all:
            records = [record for record in records if is_intact(record)]
        try:
            with Workspace(self._project) as workspace:
                return records, [
                    _Current(key, workspace.recorded_md5(key), self._ledger.index().latest(key))
                    for key in workspace.all_keys()
                ]
        except P4DError as error:
            self._report("altered", LOCK_FILE, str(error))
        except Exception as error:  # noqa: BLE001 - a damaged list of shards fails in many ways
            self._report("altered", dvc_yaml.SHARD_LIST, str(error))
        return records, []

    def _files_of(self, current: _Current) -> list[str]:
        return [name for name, _ in walk_files(self._root / current.out)]

    # --- what is ------------------------------------------------------------------------------

    def _check_current(self, current: _Current, files: Sequence[str] | None) -> None:
        problems = self._problems_of(current, files)
        if problems:
            # If it was published again since it was listed, the new version counts.
            with project_lock(self._project), Workspace(self._project) as workspace:
                key = current.key
                if key.shard is not None and key.shard not in workspace.shards:
                    return
                latest = self._ledger.index().latest(key)
                now = _Current(key, workspace.recorded_md5(key), latest)
                if now.md5 != current.md5 or now.latest != current.latest:
                    there = (self._root / now.out).is_dir()
                    again = self._files_of(now) if there else None
                    self._hashes.forget(self._root / now.out / name for name in again or ())
                    problems = self._problems_of(now, again)
        self._problems += problems

    def _problems_of(self, current: _Current, files: Sequence[str] | None) -> list[Problem]:
        found: list[Problem] = []
        out, md5, latest = current.out, current.md5, current.latest
        if md5 is None:
            if latest is not None:
                detail = f"dvc.lock lost the entry; the ledger's latest is {latest['md5']}"
                found.append(Problem("unrecorded", out, detail))
            elif files:
                found.append(Problem("orphaned", out, "was never published"))
            return found
        if latest is None:
            found.append(Problem("unrecorded", out, f"version {md5} is not in the ledger"))
        elif latest["md5"] != md5:
            found.append(self._not_the_latest(current, md5, latest["md5"]))
        if files is None:
            detail = f"`dvc checkout {dvc_yaml.address(current.key)}` restores it"
            return [*found, Problem("missing", out, detail)]
        folder = self._root / out
        present = {name: self._hashes.md5(folder / name) for name in files}
        found += self._compared(out, md5, present)
        for name, sha256 in (latest or {}).get("weights", {}).items():
            file = folder / name
            if latest and latest["md5"] == md5 and file.is_file() and sha256_file(file) != sha256:
                found.append(Problem("altered", f"{out}/{name}", f"SHA-256 is not {sha256}"))
        return found

    def _not_the_latest(self, current: _Current, md5: str, latest: str) -> Problem:
        if record := self._ledger.index().record(ArtifactVersion(current.key, md5)):
            detail = f"version {md5} of {record['at'][:19]} is {listings.OLDER_THAN_LATEST}"
            return Problem("older", current.out, detail)
        detail = f"dvc.lock names {md5}, the ledger's latest is {latest}"
        return Problem("unrecorded", current.out, detail)

    def _compared(self, out: str, md5: str, present: Mapping[str, str | None]) -> list[Problem]:
        tree = Tree.of({name: Digest(known or "") for name, known in present.items()})
        if tree.digest.md5 == md5:
            return []
        expected = self._tree(md5)
        if expected is None:
            return [Problem("altered", out, f"content is not version {md5}")]
        found = []
        for name, digest in expected.files.items():
            if present.get(name) is None:
                found.append(Problem("missing", f"{out}/{name}", f"of version {md5}"))
            elif present[name] != digest.md5:
                found.append(Problem("altered", f"{out}/{name}", f"MD5 is not {digest.md5}"))
        for name in present.keys() - expected.files.keys():
            found.append(Problem("orphaned", f"{out}/{name}", f"is not part of version {md5}"))
        return found

    def _check_cached(
        self, version: ArtifactVersion, out: str, objects: Sequence[tuple[str, str]]
    ) -> None:
        for name, oid in objects:
            path = self._object(oid)
            present = self._hashes.md5(path)
            if present == oid.removesuffix(".dir") or (present is None and oid in self._purged):
                continue
            shown = path.relative_to(self._root) if path.is_relative_to(self._root) else path
            kind: Fault = "missing" if present is None else "altered"
            what = f"{out}/{name}" if name else out
            detail = f"cache object of {what} ({version.key}); `p4d audit repair` restores it"
            self._report(kind, str(shown), detail)

    def _unexplained(self, objects: set[str]) -> Iterator[str]:
        if not self._files:  # objects of versions that are elsewhere, as they were read
            return
        known = {self._object(oid) for oid in objects}
        for path in sorted(self._cache.glob("??/*")):
            if path not in known and not path.name.startswith("."):
                yield str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)

    def _object(self, oid: str) -> Path:
        return self._cache / oid[:2] / oid[2:]

    def _objects_of(self, md5: str) -> list[tuple[str, str]]:
        try:
            return dvc_store.objects_of(self._root, md5)
        except PublishError:
            return [("", md5)]

    def _tree(self, md5: str) -> Tree | None:
        if not md5.endswith(".dir"):
            return None
        try:
            return dvc_store.read_tree(self._root, md5)
        except PublishError:
            return None
