"""Scan of the drop folder: files to land, files that wait, and paths that are never read."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from p4d.artifacts import write_bytes
from p4d.errors import ContractError
from p4d.ids import content_id, sha256_file, video_id
from p4d.paths import inside
from p4d.sidecars import SIDECAR_SUFFIXES, sidecar_beside

PARTIAL_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")

MAX_DEPTH = 64
"""Folders within one another that are searched. A path has 4,096 bytes at most in any case."""

# A file that is written twice within one tick of the file system's clock keeps its time stamp, so
# a hash is cached only when the file is older than this.
_TRUSTED_AGE_S = 2.0


DATASET_FOLDERS = "dataset_folders.json"
"""What became of the datasets in the inbox: a file in the state of the project."""


@dataclass(frozen=True, kw_only=True)
class WaitingFile:
    """A path that is left for a later landing, with the reason."""

    relpath: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SkippedFile:
    """A path that is recorded as rejected without being read, with the reason."""

    relpath: str
    bytes: int
    reason: str

    @property
    def file_id(self) -> str:
        """An id from name and size, because the content is not read."""
        return content_id("vid", "unread", self.relpath, self.bytes)


@dataclass(frozen=True, kw_only=True)
class InboxFile:
    """A regular file that is no longer being written."""

    relpath: str
    path: Path
    bytes: int
    sha256: str

    @property
    def file_id(self) -> str:
        """The id of the content."""
        return video_id(self.sha256)


def beside(inbox: Path, entry: InboxFile | SkippedFile, suffix: str) -> Path | None:
    """The sidecar of an entry, if there is one inside the inbox."""
    if isinstance(entry, SkippedFile):
        return None
    found = sidecar_beside(inbox / entry.relpath, suffix)
    if found is None:
        return None
    try:
        return inside(inbox, Path(entry.relpath).with_name(found.name).as_posix())
    except ContractError:
        return None


def may_hold_datasets(inbox: Path) -> bool:
    """Whether the inbox has a folder, as every dataset is one; not a hidden one or a link."""
    if not inbox.is_dir():
        return False
    with os.scandir(inbox) as found:
        return any(
            entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            for entry in found
        )


_CLOCKS_DIFFER_S = 2.0
"""Time stamps of a file system may run ahead of this machine by so much."""


def scan(
    inbox: Path,
    *,
    settle_s: float,
    max_file_bytes: int,
    cache: Path,
    without: Sequence[Path] = (),
) -> Iterator[InboxFile | SkippedFile | WaitingFile]:
    """All files of the inbox except sidecars, sorted by relative path.

    Args:
        inbox: the drop folder.
        settle_s: a file that changed less than this ago, or whose sidecar did, waits.
        max_file_bytes: larger files are skipped.
        cache: file that keeps hashes between scans, by size, time and inode.
        without: folders of the inbox that are not searched.

    """
    remembered = _load(cache)
    current: dict[str, list[object]] = {}
    skipped = {folder.relative_to(inbox).as_posix() for folder in without}
    for relpath in sorted(_walk(inbox, skipped)):
        entry = _classify(inbox, relpath, settle_s=settle_s, max_file_bytes=max_file_bytes)
        if isinstance(entry, os.stat_result):
            yield _hashed(inbox, relpath, entry, remembered, current)
        else:
            yield entry
    if current != remembered:
        write_bytes(cache, json.dumps(current, sort_keys=True).encode())


def _walk(inbox: Path, without: Set[str]) -> Iterator[str]:
    waiting = [""]
    while waiting:  # no recursion, which a deep tree of folders would exhaust
        folder = waiting.pop()
        for entry in _entries(inbox / folder):
            relpath = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name.startswith(".") or relpath in without:
                    continue
                if relpath.count("/") < MAX_DEPTH:
                    waiting.append(relpath)
                else:
                    yield relpath
            elif not relpath.endswith(SIDECAR_SUFFIXES):
                hidden = entry.name.startswith(".") and entry.is_dir()  # a link to a folder
                if not hidden:
                    yield relpath


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # it was removed meanwhile, or may not be read
        return []


def _classify(
    inbox: Path, relpath: str, *, settle_s: float, max_file_bytes: int
) -> os.stat_result | SkippedFile | WaitingFile:
    name = relpath.rpartition("/")[2]
    if name.startswith(".") or name.lower().endswith(PARTIAL_SUFFIXES):
        return WaitingFile(relpath=_printable(relpath), reason="hidden or partial name")
    try:
        path = inside(inbox, relpath)
        status = path.stat()
    except ContractError:
        return SkippedFile(relpath=_printable(relpath), bytes=0, reason="a link out of the inbox")
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        return WaitingFile(relpath=_printable(relpath), reason=f"cannot be read: {_reason(error)}")
    reason = None
    if stat.S_ISDIR(status.st_mode):
        deep = f"a folder {MAX_DEPTH} levels below the inbox, which is not searched"
        reason = "a link to a folder of the inbox" if (inbox / relpath).is_symlink() else deep
        return WaitingFile(relpath=_printable(relpath), reason=reason)
    if not stat.S_ISREG(status.st_mode):
        reason = "not a regular file"
    elif _printable(relpath) != relpath:
        reason = "the name is not valid UTF-8; rename the file"
    elif status.st_size > max_file_bytes:
        reason = f"larger than {max_file_bytes} bytes (landing.max_file_bytes); cut it"
    if reason:
        return SkippedFile(relpath=_printable(relpath), bytes=status.st_size, reason=reason)
    unreadable = [
        sidecar.name
        for suffix in SIDECAR_SUFFIXES
        if (sidecar := sidecar_beside(path, suffix)) and not os.access(sidecar, os.R_OK)
    ]
    if unreadable:
        return WaitingFile(relpath=relpath, reason=f"{unreadable[0]} cannot be read")
    newest_s = max(changed_s(each) for each in (status, *_sidecars(path)))
    if reason := why_not_at_rest(newest_s, settle_s):
        return WaitingFile(relpath=relpath, reason=reason)
    return status


def changed_s(status: os.stat_result) -> float:
    """When a file last changed, by the clock of its file system if its own time lies ahead.

    A copy may keep the time of a machine whose clock is off; such a file would wait until then.
    """
    return status.st_mtime if status.st_mtime <= time.time() else status.st_ctime


def why_not_at_rest(newest_s: float, settle_s: float) -> str | None:
    """Why something that changed at `newest_s` waits; None if it does not, or need not rest."""
    rest_s = time.time() - newest_s
    if settle_s <= 0 or rest_s >= settle_s:
        return None
    if rest_s < -_CLOCKS_DIFFER_S:
        return (
            f"changed {-rest_s:.0f} s in the future by the clock of this machine; set the clock, "
            "or touch the file once it is right"
        )
    return "still being written"


def _sidecars(path: Path) -> Iterator[os.stat_result]:
    for suffix in SIDECAR_SUFFIXES:
        sidecar = sidecar_beside(path, suffix)
        if sidecar is not None:
            yield sidecar.stat()


def _hashed(
    inbox: Path,
    relpath: str,
    before: os.stat_result,
    remembered: dict[str, list[object]],
    current: dict[str, list[object]],
) -> InboxFile | WaitingFile:
    path = inside(inbox, relpath)
    key: list[object] = [before.st_size, before.st_mtime_ns, before.st_ino]
    known = remembered.get(relpath)
    try:
        sha256 = str(known[3]) if known is not None and known[:3] == key else sha256_file(path)
        after = path.stat()
    except OSError as error:
        return WaitingFile(relpath=relpath, reason=f"cannot be read: {_reason(error)}")
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return WaitingFile(relpath=relpath, reason="still being written")
    if time.time() - before.st_mtime > _TRUSTED_AGE_S:
        current[relpath] = [*key, sha256]
    return InboxFile(relpath=relpath, path=path, bytes=before.st_size, sha256=sha256)


def _load(cache: Path) -> dict[str, list[object]]:
    try:
        loaded = json.loads(cache.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _printable(relpath: str) -> str:
    return relpath.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
