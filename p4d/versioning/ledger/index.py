"""The ledger in memory: what was made, from what, and which checks each version has.

One index per ledger file and process. It reads only the lines that were appended since it was last
asked, so that looking up a version costs a `stat` and a dictionary access.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from p4d.errors import LedgerError
from p4d.version import __version__
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.ledger.record import SCHEMA, Record, schema_of


class LedgerIndex:
    """All records of a ledger, by artifact, by version and by kind.

    `Ledger.index` returns the index of a ledger, up to date. `Ledger.verify_chain` does not use it.

    Attributes:
        made: materializations of each artifact, oldest first.
        line: number of the ledger line of each materialization, by the record's id.
    """

    def __init__(self) -> None:
        """An empty index; `read_on` fills it."""
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self.made: dict[ArtifactKey, list[Record]] = defaultdict(list)
        self.line: dict[str, int] = {}
        self._records: list[Record] = []
        self._by_kind: dict[str, list[Record]] = defaultdict(list)
        self._of_version: dict[ArtifactVersion, list[Record]] = defaultdict(list)
        self._checks: dict[ArtifactVersion, dict[str, Record]] = defaultdict(dict)
        self._failing: dict[ArtifactVersion, set[str]] = defaultdict(set)
        self._read_to: int = 0
        self._last_line: bytes = b""
        self._seen: tuple[int, int, int] = (0, -1, 0)

    def records(self, kind: str | None = None) -> list[Record]:
        """All records in order, or those of one kind."""
        with self._lock:
            found = self._records if kind is None else self._by_kind.get(kind, [])
            return found[:]

    def record(self, version: ArtifactVersion) -> Record | None:
        """The last record that made a version, or None."""
        found = self._of_version.get(version)
        return found[-1] if found else None

    def latest(self, key: ArtifactKey) -> Record | None:
        """The last record of an artifact, or None."""
        found = self.made.get(key)
        return found[-1] if found else None

    def checks(self, version: ArtifactVersion) -> Mapping[str, Record]:
        """The latest result of each check of a version, by name of the check."""
        return self._checks.get(version, {})

    def failing(self) -> list[ArtifactVersion]:
        """Versions of which some check failed when it ran last."""
        with self._lock:
            return [version for version, names in self._failing.items() if names]

    def versions(self, stage: str) -> list[ArtifactVersion]:
        """Every version of a stage's artifacts, by when it was made last, oldest first."""
        with self._lock:
            found = {
                ArtifactVersion(key, record["md5"]): self.line[record["id"]]
                for key, records in self.made.items()
                if key.stage == stage
                for record in records
            }
        return sorted(found, key=lambda version: found[version])

    def named(self, md5: str) -> list[ArtifactVersion]:
        """Versions whose hash begins with these digits, oldest first."""
        wanted = bare_md5(md5)
        with self._lock:
            return [version for version in self._of_version if version.md5.startswith(wanted)]

    def lineage(self, root: ArtifactVersion) -> list[ArtifactVersion]:
        """A version and everything that it derives from, by the exact versions that were read.

        In pipeline order: an input comes before its reader. A version without a record is listed
        too; its own inputs are unknown.
        """
        ordered: dict[ArtifactVersion, None] = {}
        waiting: list[tuple[ArtifactVersion, bool]] = [(root, False)]
        seen: set[ArtifactVersion] = set()
        while waiting:
            version, done = waiting.pop()
            if done:
                ordered[version] = None
                continue
            if version in seen:
                continue
            seen.add(version)
            waiting.append((version, True))
            record = self.record(version)
            if record is not None:
                waiting += [(read, False) for read in reversed(ArtifactVersion.read_by(record))]
        return list(ordered)

    def downstream(self, roots: set[ArtifactVersion]) -> list[ArtifactVersion]:
        """The given versions and every version ever made from them, oldest first.

        Does not follow the previous version of an append-only stage, because that link carries
        decisions, not data. Leaves out a version that was later made again, byte for byte, without
        any of the given ones.
        """
        reached = set(roots)
        ordered = dict.fromkeys(roots, 0)
        for record in self.records("materialization"):
            version = ArtifactVersion.of_record(record)
            if version in roots or not reached.isdisjoint(ArtifactVersion.read_by(record)):
                reached.add(version)
                ordered.setdefault(version, self.line[record["id"]])
            elif version in reached:  # the same bytes were made again, from other inputs alone
                reached.discard(version)
                del ordered[version]
        return sorted(ordered, key=lambda version: ordered[version])

    def read_on(self, path: Path) -> None:
        """Read what was appended to the file; a line that is still being written is left for later.

        Reads the whole file again if it is another one, is shorter, was rewritten in place, or if
        the last line that was read does not end where it did.

        Raises:
            LedgerError: a complete line is no record.
        """
        with self._lock:
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
                if stat.st_size == self._seen[1]:  # written, and nothing was appended
                    self._forget()
                if self._read_to and not self._continues(stream):
                    self._forget()
                stream.seek(self._read_to)
                payload = stream.read()
            complete = payload.rfind(b"\n") + 1
            for line in payload[:complete].splitlines():
                self._add(line, path)
            self._read_to += complete
            self._seen = seen

    def _continues(self, stream: BinaryIO) -> bool:
        stream.seek(self._read_to - len(self._last_line) - 1)
        return stream.read(len(self._last_line) + 1) == self._last_line + b"\n"

    def _add(self, line: bytes, path: Path) -> None:
        number = len(self._records) + 1
        try:
            record: Record = json.loads(line)
            kind, schema = record["kind"], schema_of(record)
            if schema > SCHEMA:
                raise LedgerError(
                    f"{path.name}, line {number} has schema {schema}, and p4d {__version__} reads "
                    f"up to {SCHEMA}: a newer version wrote it, update p4d"
                )
            if kind == "materialization":
                version = ArtifactVersion.of_record(record)
                self.line[record["id"]] = number
                self.made[version.key].append(record)
                self._of_version[version].append(record)
            elif kind == "check":
                self._add_check(record)
        except LedgerError:
            self._forget()
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._forget()
            raise LedgerError(
                f"{path.name}, line {number} is not a record ({error}); compare it with "
                f"`git show p4d-ledger:data/ledger/{path.name}`"
            ) from error
        self._records.append(record)
        self._by_kind[kind].append(record)
        self._last_line = line

    def _add_check(self, record: Record) -> None:
        version, name = ArtifactVersion.of_record(record), record["name"]
        self._checks[version][name] = record  # replaces an earlier result on the same bytes
        if record["passed"]:
            self._failing[version].discard(name)
        else:
            self._failing[version].add(name)


@functools.lru_cache(maxsize=8)
def index_of(path: Path) -> LedgerIndex:
    """The index of this process for a ledger file."""
    del path
    return LedgerIndex()
