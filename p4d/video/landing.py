"""Landing: new files of the inbox become immutable shards.

A file is identified by its content: if a manifest has its SHA-256, it has landed, whatever its name
is now. Manifests are written first and `shards/index.yaml` last, so a process that is killed in
between leaves only manifests that the index does not list; the next landing removes them and closes
the same shards again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from p4d.artifacts import read_json, write_bytes, write_json
from p4d.config import Params
from p4d.errors import ConfigError, ContractError, DecodeError, PublishError
from p4d.foreign_text import one_line
from p4d.ids import content_id, sha256_file
from p4d.paths import inside
from p4d.project import Project
from p4d.sidecars import (
    SOURCE_SUFFIX,
    TRUTH_SUFFIX,
    StatedSource,
    read_source,
    sidecar_beside,
    sidecar_path,
)
from p4d.video.inbox import InboxFile, SkippedFile, WaitingFile, scan
from p4d.video.per_video import per_video
from p4d.video.probe import Probe, probe

LOCK_TIMEOUT_S = 300.0

# Declared durations are off by about a frame; stage clips applies the exact rule.
_DECLARED_SLACK_NS = 50_000_000

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class LandingReport:
    """Result of one landing.

    Attributes:
        shards: ids of the shards that were closed.
        accepted, rejected: new files, recorded in those shards.
        known: files whose content landed before, or that repeat in this landing.
        waiting: hidden, partial, unreadable or growing files, left for a later landing.
        notices: messages for the user, one line each.

    """

    shards: tuple[str, ...] = ()
    accepted: int = 0
    rejected: int = 0
    known: int = 0
    waiting: int = 0
    notices: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for a log, and one per notice."""
        what = f"closed {len(self.shards)} shard(s)" if self.shards else "nothing new"
        counts = (
            f"{what}: {self.accepted} accepted, {self.rejected} rejected, "
            f"{self.known} known, {self.waiting} waiting"
        )
        return "\n".join([counts, *(f"  {one_line(notice)}" for notice in self.notices)])


def land(
    project: Project, *, settle_s: float = 0.0, progress: Progress | None = None
) -> LandingReport:
    """Close shards over all new files of `project.inbox`.

    Files are packed in the order of their paths into shards of at most
    `landing.max_clips_per_shard` expected clips. Rejected files are recorded with their reason, so
    a landing of rejects alone also closes a shard. A second landing does nothing.

    Args:
        project: inbox, parameters and shard manifests.
        settle_s: files that changed less than this ago wait for a later landing; callers that run
            unattended pass some seconds, so that files which are still being copied wait.
        progress: called with (done, total, note).

    Raises:
        PublishError: another landing holds the lock.
        ConfigError: the shard index lists a manifest that is missing.

    """
    with landing_lock(project):
        return _land(project, settle_s, progress or (lambda done, total, note: None))


@contextmanager
def landing_lock(project: Project) -> Iterator[None]:
    """Keep other landings, and other changes of the shard manifests, out.

    Raises:
        PublishError: another landing holds the lock.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(project.state / "landing.lock", timeout=LOCK_TIMEOUT_S).acquire()
    except Timeout as error:
        raise PublishError(
            "another landing is still running; run this again when it has ended"
        ) from error
    with lock:
        yield


def landed_file(project: Project, video_id: str) -> tuple[str, dict[str, Any]] | None:
    """The shard that a file landed in and its row in the shard's manifest, or None."""
    for shard in project.shards():
        path = project.shards_dir / f"{shard}.json"
        if path.is_file() and video_id in path.read_text(encoding="utf-8"):
            for row in read_json(path)["files"]:
                if row["file_id"] == video_id:
                    return shard, row
    return None


def reject(project: Project, video_id: str, reason: str) -> bool:
    """Reject a video that landed before: its shard's manifest keeps it as a rejected file.

    The manifest is an input of the stage `videos`, so its shard becomes stale. The same content is
    never landed again.

    Args:
        project: whose shard manifests.
        video_id: id of the landed file.
        reason: why, for the manifest.

    Returns:
        Whether the manifest changed; not if the file is rejected already.

    Raises:
        ContractError: no such video has landed.
        PublishError: a landing holds the lock.
    """
    with landing_lock(project):
        found = landed_file(project, video_id)
        if found is None:
            raise ContractError(f"{video_id} is no landed video")
        manifest = project.shards_dir / f"{found[0]}.json"
        content = read_json(manifest)
        accepted = [
            file
            for file in content["files"]
            if file["file_id"] == video_id and file["outcome"] == "ok"
        ]
        for file in accepted:
            file |= {
                "outcome": "rejected",
                "reason": reason,
                "container": None,
                "expected_clips": 0,
            }
        if accepted:
            write_json(manifest, content)
        return bool(accepted)


def _land(project: Project, settle_s: float, progress: Progress) -> LandingReport:
    params, shards = project.params, project.shards()
    _sweep(project, shards)
    landed = _landed(project, shards)
    copies: dict[str, list[InboxFile | SkippedFile]] = {}
    notices, known, waiting = [], 0, 0
    entries = scan(
        project.inbox,
        settle_s=settle_s,
        max_file_bytes=params.landing.max_file_bytes,
        cache=project.state / "inbox_hashes.json",
    )
    for entry in entries:
        if isinstance(entry, WaitingFile):
            waiting += 1
            notices.append(f"{entry.relpath!r} waits: {entry.reason}")
        elif entry.file_id in landed:
            known += 1
            if _sidecar_is_late(project.inbox, entry, landed[entry.file_id]):
                notices.append(
                    f"{entry.relpath!r} landed before its truth sidecar, which is unused"
                )
        else:
            copies.setdefault(entry.file_id, []).append(entry)
    known += sum(len(equal) - 1 for equal in copies.values())
    fresh = sorted(
        (_with_truth_first(project.inbox, equal) for equal in copies.values()),
        key=lambda entry: entry.relpath,
    )
    stated = {
        entry.file_id: read_source(_beside(project.inbox, entry, SOURCE_SUFFIX)) for entry in fresh
    }
    notices += [
        f"{entry.relpath!r} lands without its source file: {stated[entry.file_id].problem}"
        for entry in fresh
        if stated[entry.file_id].problem
    ]
    rows = _rows(project.inbox, fresh, stated, params, progress)
    closed = tuple(_close(project, shards, rows, params.landing.max_clips_per_shard))
    rejected = sum(row["outcome"] == "rejected" for row in rows)
    return LandingReport(
        shards=closed,
        accepted=len(rows) - rejected,
        rejected=rejected,
        known=known,
        waiting=waiting,
        notices=tuple(notices),
    )


def expected_clips(params: Params, declared_ns: int | None) -> int:
    """Number of clips that a video of this declared duration will give, before it is decoded."""
    length_ns = params.clips.length_ns
    full = ((declared_ns or 0) + _DECLARED_SLACK_NS) // length_ns
    return min(int(full), params.clips.max_clips_per_video)


def _sweep(project: Project, shards: Sequence[str]) -> None:
    """Remove unlisted manifests and unfinished files, which a killed landing left."""
    listed = {f"{shard}.json" for shard in shards}
    for manifest in project.shards_dir.glob("*.json"):
        if manifest.name not in listed:
            manifest.unlink()
    for unfinished in project.shards_dir.glob(".*.tmp*"):
        unfinished.unlink()


def _landed(project: Project, shards: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    landed: dict[str, Mapping[str, Any]] = {}
    for shard in shards:
        path = project.shards_dir / f"{shard}.json"
        if not path.is_file():
            raise ConfigError(
                f"shards/index.yaml lists {shard}, but shards/{shard}.json is missing; "
                "restore it from git"
            )
        landed.update({row["file_id"]: row for row in read_json(path)["files"]})
    return landed


def _with_truth_first(
    inbox: Path, equal: Sequence[InboxFile | SkippedFile]
) -> InboxFile | SkippedFile:
    """The one of several equal files that lands: one with a truth sidecar, if there is any."""
    return min(equal, key=lambda entry: _beside(inbox, entry, TRUTH_SUFFIX) is None)


def _sidecar_is_late(inbox: Path, entry: InboxFile | SkippedFile, row: Mapping[str, Any]) -> bool:
    arrived = _beside(inbox, entry, TRUTH_SUFFIX) is not None
    return arrived and row["sidecar"] is None and row["outcome"] == "ok"


def _rows(
    inbox: Path,
    fresh: Sequence[InboxFile | SkippedFile],
    stated: Mapping[str, StatedSource],
    params: Params,
    progress: Progress,
) -> list[dict[str, Any]]:
    readable = [entry for entry in fresh if isinstance(entry, InboxFile) and entry.bytes]
    seen: dict[str, Probe | str | None] = {}
    for outcome, entry in zip(
        per_video(_probe, [entry.path for entry in readable]), readable, strict=True
    ):
        seen[entry.file_id] = outcome
        progress(len(seen), len(readable), entry.relpath)
    return [
        _row(inbox, entry, stated[entry.file_id], seen.get(entry.file_id), params)
        for entry in fresh
    ]


def _probe(path: Path) -> Probe | str:
    try:
        return probe(path)
    except DecodeError as error:
        return str(error)


def _row(
    inbox: Path,
    entry: InboxFile | SkippedFile,
    stated: StatedSource,
    seen: Probe | str | None,
    params: Params,
) -> dict[str, Any]:
    reason = _reason_against(entry, seen, params)
    declared_ns = seen.declared_ns if isinstance(seen, Probe) else None
    return {
        "file_id": entry.file_id,
        "name": Path(entry.relpath).name,
        "relpath": entry.relpath,
        "sha256": entry.sha256 if isinstance(entry, InboxFile) else None,
        "bytes": entry.bytes,
        "sidecar": _sidecar(inbox, entry),
        "licence": stated.licence,
        "source": stated.source,
        "outcome": "rejected" if reason else "ok",
        "reason": reason,
        "container": seen.container if isinstance(seen, Probe) and not reason else None,
        "expected_clips": 0 if reason else expected_clips(params, declared_ns),
    }


def _reason_against(
    entry: InboxFile | SkippedFile, seen: Probe | str | None, params: Params
) -> str | None:
    if isinstance(entry, SkippedFile):
        return entry.reason
    if entry.bytes == 0:
        return "the file is empty"
    if seen is None:
        return "the decoder crashed on this file"
    if isinstance(seen, str):
        return seen
    limit_s = params.landing.max_duration_s
    if (seen.declared_ns or 0) > limit_s * 1e9:
        return f"longer than {limit_s:g} s (landing.max_duration_s); cut it"
    return None


def _sidecar(inbox: Path, entry: InboxFile | SkippedFile) -> dict[str, str] | None:
    path = _beside(inbox, entry, TRUTH_SUFFIX)
    if path is None:
        return None
    relpath = sidecar_path(Path(entry.relpath), TRUTH_SUFFIX)
    return {"relpath": relpath.as_posix(), "sha256": sha256_file(path)}


def _beside(inbox: Path, entry: InboxFile | SkippedFile, suffix: str) -> Path | None:
    """The sidecar of an entry, if there is one inside the inbox."""
    if isinstance(entry, SkippedFile):
        return None
    if sidecar_beside(inbox / entry.relpath, suffix) is None:
        return None
    try:
        return inside(inbox, sidecar_path(Path(entry.relpath), suffix).as_posix())
    except ContractError:
        return None


def _close(
    project: Project, shards: Sequence[str], rows: Sequence[dict[str, Any]], max_clips: int
) -> list[str]:
    closed: list[str] = []
    for files in _packed(rows, max_clips):
        number = len(shards) + len(closed) + 1
        digest = content_id("shard", files).partition("_")[2]
        shard = f"{number:04d}-{digest[:8]}"
        write_json(project.shards_dir / f"{shard}.json", {"shard": shard, "files": files})
        closed.append(shard)
    if closed:
        text = yaml.safe_dump({"shards": [*shards, *closed]})
        write_bytes(project.shards_dir / "index.yaml", text.encode())
    return closed


def _packed(rows: Sequence[dict[str, Any]], max_clips: int) -> Iterator[list[dict[str, Any]]]:
    files: list[dict[str, Any]] = []
    clips = 0
    for row in rows:
        if files and clips + row["expected_clips"] > max_clips:
            yield files
            files, clips = [], 0
        files.append(row)
        clips += row["expected_clips"]
    if files:
        yield files
