"""The ledger: one line per materialization, check, takedown, push and export; none ever changes.

`data/ledger/ledger.jsonl` holds one JSON object per line. Each record stores the SHA-256 of the
previous line (`prev`) and of its own content without `digest` (`digest`), so that edits, deletions
and reordering are detectable. `schema` is the number of its form; lines of version 0.1 have none.
The file is no output of DVC; git keeps it on the branch `p4d-ledger`, together with dvc.lock and
the code of that time (see `anchor`).

Promotions are no records of their own: they are lines of `data/champion/champions.jsonl`, which is
an artifact, so every version of it is recorded here as a materialization.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from p4d.atomic import sync_folder
from p4d.errors import LedgerError
from p4d.ids import canonical_json
from p4d.project import Project
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.index import LedgerIndex, index_of
from p4d.versioning.ledger.record import SCHEMA, Record, digest_of, plain

LEDGER_PATH = "data/ledger/ledger.jsonl"
BRANCH = "p4d-ledger"
KINDS = frozenset({"materialization", "check", "decision", "push", "export"})
"""Kinds that can be appended; a `decision` is a takedown. Older ledgers may hold other kinds."""
FIRST = "0" * 64

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChainReport:
    """Result of walking the chain.

    Attributes:
        lines: complete lines.
        head: SHA-256 of the last line; it proves all lines.
        faults: line number and what is wrong with the line.
    """

    lines: int
    head: str
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every line follows from the one before it."""
        return not self.faults


class Ledger:
    """The append-only record of what was made and checked in a project."""

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
                record = {"schema": SCHEMA, "at": _now(), **plain(body)}
                record |= {"kind": kind, "prev": previous}
                record["digest"] = digest_of(record)
                line = canonical_json(record).encode()
                previous = hashlib.sha256(line).hexdigest()
                lines.append(line + b"\n")
                written.append(record)
            self._write(b"".join(lines))
        return written

    def repair(self) -> str | None:
        """Remove a last line that was cut while it was written; returns a notice, or None."""
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
        return iter(self.index().records(kind))

    def index(self) -> LedgerIndex:
        """The records in memory, by artifact and version, up to date with the file.

        Raises:
            LedgerError: a complete line is not JSON.
        """
        index = index_of(self.path)
        index.read_on(self.path)
        return index

    def verify_chain(self) -> ChainReport:
        """Read all lines and compare each `prev` with the line before it, and each `digest`."""
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
                if (digest or digested) and digest != digest_of(record):
                    faults.append(f"line {number}: is not as it was written")
                digested = digested or digest is not None
            previous, count = hashlib.sha256(line).hexdigest(), number
        if rest:
            faults.append(f"line {count + 1}: unfinished")
        return ChainReport(count, previous, tuple(faults))

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
