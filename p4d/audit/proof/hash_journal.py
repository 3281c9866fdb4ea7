"""Hashes files once per verification, and journals the hashes so that a killed run resumes."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from p4d.progress import Progress
from p4d.versioning.files.hashes import file_md5

RESUMABLE_S = 24 * 3600.0
"""An interrupted run older than this is not resumed: what it read may have changed since."""


class HashReader:
    """MD5s of files; each is read once, by this run or by the interrupted one that it resumes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._journal = root / ".p4d" / "verify.journal"
        self._found: dict[Path, str | None] = {}
        self._known: dict[str, tuple[list[int], str]] = {}
        self.nbytes = 0
        self.resumed = 0

    def md5(self, path: Path) -> str | None:
        """MD5 of a file, or None if it does not exist."""
        if path not in self._found:
            self._found[path] = file_md5(path) if path.is_file() else None
        return self._found[path]

    def forget(self, paths: Iterator[Path]) -> None:
        """Hash these files again when they are next asked for."""
        for path in paths:
            self._found.pop(path, None)

    def all(
        self, paths: Sequence[Path], workers: int, progress: Progress, *, resume: bool, head: str
    ) -> None:
        """Hash files with several threads; reading and hashing release the interpreter's lock."""
        if resume:
            self._load()
        stats = {path: _stat(path) for path in dict.fromkeys(paths)}
        # Largest first, so that all threads end at about the same time.
        sizes = {path: stat[0] if stat else 0 for path, stat in stats.items()}
        todo = sorted(stats, key=lambda path: -sizes[path])
        total = sum(sizes.values())
        done, reported = 0, time.monotonic()
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._journal.open("a" if self._known else "w", encoding="utf-8") as journal,
            ThreadPoolExecutor(workers) as pool,
        ):
            if not self._known:
                journal.write(json.dumps({"started": time.time(), "head": head}) + "\n")
            hashed = pool.map(lambda path: self._hash(path, stats[path]), todo)
            for path, (md5, read) in zip(todo, hashed, strict=True):
                self._found[path] = md5
                stat = stats[path]
                done += stat[0] if stat else 0
                self.resumed += md5 is not None and not read
                if read and stat:
                    self.nbytes += stat[0]
                    name = os.path.relpath(path, self._root)
                    journal.write(json.dumps([name, stat, md5]) + "\n")
                if time.monotonic() - reported > 1:
                    reported = time.monotonic()
                    journal.flush()
                    progress(done >> 20, total >> 20, "MiB hashed")
        self._journal.unlink(missing_ok=True)
        progress(total >> 20, total >> 20, "MiB hashed")

    def _hash(self, path: Path, stat: list[int] | None) -> tuple[str | None, bool]:
        if stat is None:
            return None, False
        known = self._known.get(os.path.relpath(path, self._root))
        if known is not None and known[0] == stat:
            return known[1], False
        try:
            return file_md5(path), True
        except FileNotFoundError:
            return None, False  # replaced since it was listed; checked again under the lock

    def _load(self) -> None:
        try:
            lines = self._journal.read_text(encoding="utf-8").splitlines()
            started = json.loads(lines[0])["started"]
        except (FileNotFoundError, IndexError, ValueError, KeyError):
            return
        if time.time() - started > RESUMABLE_S:
            return
        for line in lines[1:]:
            with contextlib.suppress(ValueError):  # the last line may be cut
                name, stat, md5 = json.loads(line)
                self._known[name] = (stat, md5)


def _stat(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
