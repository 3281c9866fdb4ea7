"""Hashes of files and folders, equal to DVC's to the bit, without importing DVC.

A folder's hash is the MD5 of the JSON list of its files' hashes and relative paths, with `.dir`
appended; DVC stores that very JSON as the folder's object. MD5 names content here and is no
protection against tampering: the ledger adds SHA-256 for weights.

Written by hand for a measured reason: importing `dvc_data.hashfile` takes 0.10 to 0.19 s, `dvc`
most of a second, and `p4d status` over 10,000 clips has 1.1 s in all. DVC's cache of hashes also
trusts a file's time alone, which misses a second edit within one tick of the clock (`RACY_NS`).
`tests/versioning/dvc/test_with_dvc.py` compares every hash with the real DVC's.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from p4d.errors import ContractError
from p4d.paths import FILE_ID, checked_id, relative_path, relative_paths

RACY_NS = 20_000_000
"""A file touched this recently may change again within one tick of the clock: not remembered."""


@dataclass(frozen=True)
class Digest:
    """The hash of a file or folder as DVC writes it, with its size.

    Attributes:
        md5: 32 hex digits, with `.dir` appended for a folder.
        nbytes: total size of the content.
        nfiles: number of files in a folder; None for a single file.
    """

    md5: str
    nbytes: int | None = field(default=None, compare=False)
    nfiles: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Tree:
    """The files below a folder: relative path -> hash, in DVC's order."""

    files: Mapping[str, Digest]

    @classmethod
    def of(cls, files: Mapping[str, Digest]) -> Tree:
        """A tree with its files in DVC's order: by relative path as text.

        Raises:
            ContractError: a name is no relative path below a folder.
        """
        return cls({path: files[path] for path in sorted(map(relative_path, files))})

    @classmethod
    def from_payload(cls, payload: bytes) -> Tree:
        """The tree that a folder's object lists. Others write to caches and remotes.

        Raises:
            ContractError: it is no such list, or its names cannot be the files of one folder, so
                that a copy of them would miss a file or be written elsewhere.
        """
        try:
            entries = [(entry["relpath"], entry["md5"]) for entry in json.loads(payload)]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContractError(f"it is no list of files ({error})") from error
        names = relative_paths(name for name, _ in entries)
        hashes = [checked_id(FILE_ID, md5, "hash") for _, md5 in entries]
        return cls.of(dict(zip(names, map(Digest, hashes), strict=True)))

    @cached_property
    def payload(self) -> bytes:
        """The content of the folder's object in DVC's cache."""
        entries = [{"md5": digest.md5, "relpath": path} for path, digest in self.files.items()]
        return json.dumps(entries, sort_keys=True).encode()

    @cached_property
    def digest(self) -> Digest:
        """The folder's own hash."""
        return Digest(
            hashlib.md5(self.payload, usedforsecurity=False).hexdigest() + ".dir",
            sum(digest.nbytes or 0 for digest in self.files.values()),
            len(self.files),
        )


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def walk_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below `folder` as (relative path, stat), links followed as DVC follows them."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir():
            for name, stat in walk_files(Path(entry.path)):
                yield f"{entry.name}/{name}", stat
        elif entry.is_file():
            yield entry.name, entry.stat()


def tree_of(folder: Path) -> Tree:
    """Hashes of all files below `folder`, each read again."""
    return Tree.of({n: Digest(file_md5(folder / n), s.st_size) for n, s in walk_files(folder)})


class HashCache:
    """Remembers a file's MD5 while its size, times and inode stay the same.

    A small SQLite file backs it, which all processes of the project share. It holds nothing that
    cannot be computed again, so a damaged one is dropped. Use as a context manager.
    """

    def __init__(self, root: Path, store: Path | None) -> None:
        """Remember files below `root` in `store`; with `store=None` nothing is remembered."""
        self._root = os.fspath(root)
        self._below = f"{self._root}/"
        self._memory = _Memory() if store is None else _memory_of(store)
        self._connection = None if store is None else _open(store)

    def __enter__(self) -> HashCache:
        """The cache itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def digest(self, path: Path) -> Digest | None:
        """Hash of a file or folder, or None if there is none."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if S_ISDIR(found.st_mode):
            return self.tree(path).digest
        if not S_ISREG(found.st_mode):
            return None
        key = self._key(path)
        known, md5 = self._memory.files.get(key, _NO_ROW)
        if known == _identity(found):
            return Digest(md5, found.st_size)
        return self._files(path.parent, [(path.name, found)], [key])[path.name]

    def tree(self, folder: Path) -> Tree:
        """Hashes of all files below `folder`."""
        found = list(walk_files(folder))
        return Tree.of(self._files(folder, found, None))

    def adopt(self, folder: Path, tree: Tree) -> None:
        """Remember hashes of files that were just moved to `folder`, instead of reading them."""
        horizon = time.time_ns() - RACY_NS
        rows: list[tuple[object, ...]] = []
        for name, stat in walk_files(folder):
            digest = tree.files.get(name)
            if digest is None or digest.nbytes != stat.st_size:
                continue
            if max(stat.st_mtime_ns, stat.st_ctime_ns) < horizon:
                identity = _identity(stat)
                key = f"{self._key(folder)}/{name}"
                self._memory.files[key] = (identity, digest.md5)
                rows.append((key, *identity, digest.md5))
        self._store("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)

    def remembered(self, kind: str, key: str, compute: Callable[[], str]) -> str:
        """A derived text of content-addressed input, computed once per `kind` and `key`."""
        known = self._memory.derived.get((kind, key))
        if known is not None:
            return known
        value = self._stored_derived(kind, key)
        if value is None:
            value = compute()
            self._store("INSERT OR REPLACE INTO derived VALUES (?, ?, ?)", [(kind, key, value)])
        self._memory.derived[kind, key] = value
        return value

    def _stored_derived(self, kind: str, key: str) -> str | None:
        if self._connection is None:
            return None
        query = "SELECT value FROM derived WHERE kind = ? AND key = ?"
        with contextlib.suppress(sqlite3.Error):
            row = self._connection.execute(query, (kind, key)).fetchone()
            return None if row is None else str(row[0])
        return None

    def _store(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        if self._connection is not None and rows:
            with contextlib.suppress(sqlite3.Error), self._connection:
                self._connection.executemany(statement, rows)

    def _key(self, path: Path) -> str:
        """The path below the root; of most paths by their text, as a run hashes thousands."""
        text = os.fspath(path)
        if text.startswith(self._below):
            return text.removeprefix(self._below)
        return os.path.relpath(text, self._root) if path.is_absolute() else text

    def _files(
        self,
        folder: Path,
        found: Sequence[tuple[str, os.stat_result]],
        keys: list[str] | None,
    ) -> dict[str, Digest]:
        prefix = self._key(folder)
        start = "" if prefix == "." else f"{prefix}/"
        memory = self._memory.files
        identities = {f"{start}{name}": _identity(stat) for name, stat in found}
        if any(memory.get(key, _NO_ROW)[0] != identity for key, identity in identities.items()):
            memory.update(self._stored(start, keys))
        digests: dict[str, Digest] = {}
        fresh: list[tuple[object, ...]] = []
        horizon = time.time_ns() - RACY_NS
        for key, identity in identities.items():
            known, md5 = memory.get(key, _NO_ROW)
            if known != identity:
                md5 = file_md5(Path(self._root, key))
                if max(identity[1:3]) < horizon:
                    memory[key] = (identity, md5)
                    fresh.append((key, *identity, md5))
            digests[key.removeprefix(start)] = Digest(md5, identity[0])
        self._store("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", fresh)
        return digests

    def _stored(self, start: str, keys: list[str] | None) -> dict[str, _Row]:
        if self._connection is None:
            return {}
        query = "SELECT path, size, mtime_ns, ctime_ns, inode, md5 FROM files WHERE "
        if keys is not None:
            query, values = query + "path = ?", keys
        else:
            query, values = query + "path >= ? AND path < ?", [start, f"{start[:-1]}0"]
        with contextlib.suppress(sqlite3.Error):
            rows = self._connection.execute(query, values)
            return {row[0]: (row[1:5], row[5]) for row in rows}
        return {}


_Identity = tuple[int, int, int, int]
_Row = tuple[_Identity, str]
_NO_ROW: _Row = ((-1, -1, -1, -1), "")


def _identity(stat: os.stat_result) -> _Identity:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


@dataclass
class _Memory:
    """What this process has read of a store; it spares a warm process the database."""

    files: dict[str, _Row] = field(default_factory=dict)
    derived: dict[tuple[str, str], str] = field(default_factory=dict)


@functools.lru_cache(maxsize=8)
def _memory_of(store: Path) -> _Memory:
    del store
    return _Memory()


def _open(store: Path) -> sqlite3.Connection | None:
    store.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            connection = sqlite3.connect(store, timeout=5.0)
            connection.execute("PRAGMA journal_mode = WAL")
            # Every look opens and closes it, and each close would wait for the disk three times.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER,"
                " mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, md5 TEXT)"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS derived (kind TEXT, key TEXT, value TEXT,"
                " PRIMARY KEY (kind, key))"
            )
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            store.unlink(missing_ok=True)
        else:
            return connection
    return None
