"""Landing: new files of the inbox become immutable shards.

A file is identified by its content: if a manifest has its SHA-256, it has landed, whatever its name
is now. Manifests are written first and `shards/index.yaml` last, so a process that is killed in
between leaves only manifests that the index does not list; the next landing removes them and closes
the same shards again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from p4d.artifacts import read_json, write_bytes, write_json
from p4d.errors import ConfigError, ContractError, PublishError
from p4d.foreign_text import one_line
from p4d.ids import content_id
from p4d.origins import Origin, withheld
from p4d.progress import Progress
from p4d.project import Project
from p4d.sidecars import TRUTH_SUFFIX
from p4d.video.inbox import (
    DATASET_FOLDERS,
    InboxFile,
    SkippedFile,
    WaitingFile,
    beside,
    may_hold_datasets,
    scan,
)

SHOWN_REJECTS = 10
"""Rejected files that a summary names."""
LOCK_TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class LandingReport:
    """Result of one landing.

    Attributes:
        shards: ids of the shards that were closed.
        accepted, rejected: new files, recorded in those shards.
        known: files whose content landed before, or that repeat in this landing.
        waiting: hidden, partial, unreadable or growing files, left for a later landing.
        notices: messages for the user, one line each.
        rejects: path below the inbox and reason of each rejected file.

    """

    shards: tuple[str, ...] = ()
    accepted: int = 0
    rejected: int = 0
    known: int = 0
    waiting: int = 0
    notices: tuple[str, ...] = ()
    rejects: tuple[tuple[str, str], ...] = ()

    def summary(self) -> str:
        """One line for a log, and one per rejected file (the first ten) and per notice."""
        what = f"closed {len(self.shards)} shard(s)" if self.shards else "nothing new"
        counts = (
            f"{what}: {self.accepted} accepted, {self.rejected} rejected, "
            f"{self.known} known, {self.waiting} waiting"
        )
        lines = [f"{path!r} is rejected: {why}" for path, why in self.rejects[:SHOWN_REJECTS]]
        if more := len(self.rejects) - len(lines):
            lines.append(f"{more} more are rejected; `outcome` and `reason` in shards/*.json")
        return "\n".join([counts, *(f"  {one_line(each)}" for each in (*lines, *self.notices))])


def land(
    project: Project, *, settle_s: float = 0.0, progress: Progress | None = None
) -> LandingReport:
    """Close shards over all new files of `project.inbox`, and all sequences of datasets in it.

    Files are packed in the order of their paths into shards of at most
    `landing.max_clips_per_shard` expected clips. Files whose terms forbid redistribution have
    shards of their own. Rejected files are recorded with their reason, so
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
    notices, known, waiting = list[str](), 0, 0
    folders: tuple[Path, ...] = ()
    if may_hold_datasets(project.inbox) or (project.state / DATASET_FOLDERS).is_file():
        # Their readers import polars, which a landing that finds nothing new does without.
        from p4d.video.dataset_folders import convert_dropped

        dropped = convert_dropped(project, settle_s=settle_s, progress=progress)
        notices, waiting, folders = list(dropped.notices), dropped.waiting, dropped.folders
    entries = scan(
        project.inbox,
        settle_s=settle_s,
        max_file_bytes=params.landing.max_file_bytes,
        cache=project.state / "inbox_hashes.json",
        without=folders,
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
    rows: Sequence[dict[str, Any]] = []
    if fresh:
        from p4d.video.landed_rows import examine  # imports PyAV

        rows, remarks = examine(project.inbox, fresh, params, progress)
        notices += remarks
    closed = tuple(_close(project, shards, rows, params.landing.max_clips_per_shard))
    rejected = sum(row["outcome"] == "rejected" for row in rows)
    return LandingReport(
        shards=closed,
        accepted=len(rows) - rejected,
        rejected=rejected,
        known=known,
        waiting=waiting,
        notices=tuple(notices),
        rejects=tuple((row["relpath"], row["reason"]) for row in rows if row["reason"]),
    )


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
    return min(equal, key=lambda entry: beside(inbox, entry, TRUTH_SUFFIX) is None)


def _sidecar_is_late(inbox: Path, entry: InboxFile | SkippedFile, row: Mapping[str, Any]) -> bool:
    arrived = beside(inbox, entry, TRUTH_SUFFIX) is not None
    return arrived and row["sidecar"] is None and row["outcome"] == "ok"


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
    """Files of shards. Those whose pictures may not leave the project have shards of their own."""
    parts: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for row in rows:
        parts[bool(withheld({row["file_id"]: Origin.of(row.get("origin", {}))}))].append(row)
    for part in parts.values():
        files: list[dict[str, Any]] = []
        clips = 0
        for row in part:
            if files and clips + row["expected_clips"] > max_clips:
                yield files
                files, clips = [], 0
            files.append(row)
            clips += row["expected_clips"]
        if files:
            yield files
