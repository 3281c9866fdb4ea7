"""The ledger: one line per materialization, check, takedown and push; no line is ever changed.

`data/ledger/ledger.jsonl` holds one JSON object per line. Each record stores the SHA-256 of the
previous line (`prev`) and of its own content without `digest` (`digest`), so that edits, deletions
and reordering are detectable. The file is no output of DVC; git keeps it on the branch
`p4d-ledger`, together with dvc.lock and the code of that time (see `anchor`).

Promotions are no records of their own: they are lines of `data/champion/champions.jsonl`, which is
an artifact, so every version of it is recorded here as a materialization.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import math
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from p4d.atomic import sync_folder
from p4d.errors import LedgerError
from p4d.ids import canonical_json
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.project_lock import project_lock

LEDGER_PATH = "data/ledger/ledger.jsonl"
BRANCH = "p4d-ledger"
KINDS = frozenset({"materialization", "check", "decision", "push"})
"""Kinds that can be appended; a `decision` is a takedown. Older ledgers may hold other kinds."""
FIRST = "0" * 64

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ChainReport:
    """Result of walking the chain.

    Attributes:
        lines: complete lines.
        head: SHA-256 of the last line: whoever knows it can prove the whole.
        faults: line number and what is wrong with it.
    """

    lines: int
    head: str
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every line follows from the one before it."""
        return not self.faults


class Ledger:
    """The append-only record of a project."""

    def __init__(self, project: Project) -> None:
        """Open the ledger of `project`; the file appears with the first record."""
        self.project = project
        self.path = project.root / LEDGER_PATH

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Append one record, durably, and return it with `kind`, `at` and `prev`.

        Raises:
            LedgerError: the kind is unknown, or the file is damaged.
        """
        return self.append_all([(kind, body)])[0]

    def append_all(self, entries: list[tuple[str, Mapping[str, Any]]]) -> list[Record]:
        """Append several records with one flush to disk."""
        for kind, _ in entries:
            if kind not in KINDS:
                raise LedgerError(f"unknown ledger kind {kind!r}; kinds: {sorted(KINDS)}")
        with project_lock(self.project):
            self.repair()
            previous = self._last_line_hash()
            lines: list[bytes] = []
            written: list[Record] = []
            for kind, body in entries:
                record = {"at": _now(), **plain(body), "kind": kind, "prev": previous}
                record["digest"] = _digest(record)
                line = canonical_json(record).encode()
                previous = hashlib.sha256(line).hexdigest()
                lines.append(line + b"\n")
                written.append(record)
            self._write(b"".join(lines))
        return written

    def repair(self) -> str | None:
        """Drop a last line that was cut while it was written; returns a notice, or None."""
        with project_lock(self.project):
            if not self.path.exists():
                return None
            with self.path.open("r+b") as stream:
                size = stream.seek(0, os.SEEK_END)
                kept = _last_newline(stream, size)
                if kept == size:
                    return None
                stream.truncate(kept)
                os.fsync(stream.fileno())
        notice = f"{LEDGER_PATH}: dropped {size - kept} bytes of an unfinished last line"
        logger.warning(notice)
        return notice

    def records(self, kind: str | None = None) -> Iterator[Record]:
        """All records in order, or those of one kind.

        Raises:
            LedgerError: a complete line is not JSON.
        """
        memory = self._refreshed()
        found = memory.records if kind is None else memory.by_kind.get(kind, [])
        return iter(found[:])

    def latest_materialization(self, key: ArtifactKey, md5: str | None = None) -> Record | None:
        """The last record of an artifact, or the last that made its version `md5`."""
        for record in reversed(self._refreshed().made.get(key, [])):
            if md5 is None or record["md5"] == md5:
                return record
        return None

    def checks_for(self, version: ArtifactVersion) -> dict[str, Record]:
        """The latest check of each name on a version, by name."""
        return {r["name"]: r for r in self._refreshed().checks.get(version, [])}

    def verify_chain(self) -> ChainReport:
        """Walk all lines and compare each `prev` with the line before it."""
        faults: list[str] = []
        previous, count, digested = FIRST, 0, False
        payload = self.path.read_bytes() if self.path.exists() else b""
        *lines, rest = payload.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                named = record["prev"]
            except (ValueError, KeyError, TypeError):
                faults.append(f"line {number}: not a record")
            else:
                if named != previous:
                    faults.append(f"line {number}: does not follow from the line before it")
                digest = record.pop("digest", None)
                if (digest or digested) and digest != _digest(record):
                    faults.append(f"line {number}: is not as it was written")
                digested = digested or digest is not None
            previous, count = hashlib.sha256(line).hexdigest(), number
        if rest:
            faults.append(f"line {count + 1}: unfinished")
        return ChainReport(count, previous, tuple(faults))

    def _refreshed(self) -> _Memory:
        memory = _memory_of(self.path)
        with memory.lock:
            memory.read_on(self.path)
        return memory

    def _last_line_hash(self) -> str:
        if not self.path.exists() or not self.path.stat().st_size:
            return FIRST
        with self.path.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END) - 1
            start = _last_newline(stream, end)
            stream.seek(start)
            return hashlib.sha256(stream.read(end - start)).hexdigest()

    def _write(self, payload: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        created = not self.path.exists()
        with self.path.open("ab") as stream:
            before = stream.seek(0, os.SEEK_END)
            try:
                stream.write(payload)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                os.truncate(self.path, before)
                raise
        if created:
            sync_folder(self.path.parent)


class _Memory:
    """What this process has read of a ledger, indexed; only what was appended since is read again.

    The last line that was read must still end where it did; where it does not, or the file is
    shorter or another one, all is read anew. `Ledger.verify_chain` never asks this memory.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self.records: list[Record] = []
        self.by_kind: dict[str, list[Record]] = defaultdict(list)
        self.made: dict[ArtifactKey, list[Record]] = defaultdict(list)
        self.checks: dict[ArtifactVersion, list[Record]] = defaultdict(list)
        self._read_to: int = 0
        self._last_line: bytes = b""
        self._seen: tuple[int, int, int] = (0, -1, 0)

    def read_on(self, path: Path) -> None:
        """Read what was appended; a line that is still being written waits for the next time."""
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            self._forget()
            return
        with stream:
            stat = os.fstat(stream.fileno())
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen == self._seen:
                return
            if stat.st_ino != self._seen[0] or stat.st_size < self._read_to:
                self._forget()
            if self._read_to and not self._continues(stream):
                self._forget()
            stream.seek(self._read_to)
            payload = stream.read()
        complete = payload.rfind(b"\n") + 1
        for line in payload[:complete].splitlines():
            self._add(line)
        self._read_to += complete
        self._seen = seen

    def _continues(self, stream: BinaryIO) -> bool:
        stream.seek(self._read_to - len(self._last_line) - 1)
        return stream.read(len(self._last_line) + 1) == self._last_line + b"\n"

    def _add(self, line: bytes) -> None:
        try:
            record: Record = json.loads(line)
            kind = record["kind"]
            if kind == "materialization":
                self.made[ArtifactKey.of_record(record)].append(record)
            elif kind == "check":
                self.checks[ArtifactVersion.of_record(record)].append(record)
        except (ValueError, KeyError, TypeError) as error:
            number = len(self.records) + 1
            self._forget()
            raise LedgerError(
                f"{LEDGER_PATH}, line {number} is not a record ({error}); "
                f"compare with `git show {BRANCH}:{LEDGER_PATH}`"
            ) from error
        self.records.append(record)
        self.by_kind[kind].append(record)
        self._last_line = line


@functools.lru_cache(maxsize=8)
def _memory_of(path: Path) -> _Memory:
    del path
    return _Memory()


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as JSON can hold it: numpy scalars as numbers, NaN and infinities as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return plain(value.item()) if hasattr(value, "item") else str(value)


def _digest(record: Record) -> str:
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _last_newline(stream: Any, end: int) -> int:  # noqa: ANN401 - any seekable byte stream
    """Offset just after the last newline before `end`, or 0."""
    while end > 0:
        start = max(0, end - 65536)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        end = start
    return 0
