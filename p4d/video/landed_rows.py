"""What landing records of each new file: its outcome, what stands beside it, its expected clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p4d.config import Params
from p4d.errors import DecodeError
from p4d.ids import sha256_file
from p4d.progress import Progress
from p4d.sidecars import (
    CHECKSUM_SUFFIXES,
    SOURCE_SUFFIX,
    TRUTH_SUFFIX,
    StatedChecksum,
    StatedSource,
    read_checksum,
    read_source,
)
from p4d.video.decoding.budget import FileBudget, ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video
from p4d.video.decoding.probe import Probe, probe
from p4d.video.inbox import InboxFile, SkippedFile, beside

# Declared durations are off by about a frame; stage clips applies the exact rule.
_DECLARED_SLACK_NS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class _Examined:
    """What is known of a new file."""

    entry: InboxFile | SkippedFile
    source: StatedSource
    checksums: tuple[StatedChecksum, ...]
    seen: Probe | FileFault | None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know although the file lands, one line each."""
        name = repr(self.entry.relpath)
        found = []
        if self.source.problem:
            found.append(f"{name} lands without its source file: {self.source.problem}")
        found += [
            f"{name} lands without its checksum: {checksum.problem}"
            for checksum in self.checksums
            if checksum.problem
        ]
        if isinstance(self.seen, Probe):
            found += [f"{name} holds {note}" for note in self.seen.notes]
        return tuple(found)


def examine(
    inbox: Path, fresh: Sequence[InboxFile | SkippedFile], params: Params, progress: Progress
) -> tuple[list[dict[str, Any]], list[str]]:
    """Open every new file; return its row of the manifest, in order, and notices for the user."""
    readable = [entry for entry in fresh if isinstance(entry, InboxFile) and entry.bytes]
    seen: dict[str, Probe | FileFault] = {}
    jobs = [(entry.path, FileBudget.of(params.landing)) for entry in readable]
    outcomes = per_video(_probe, jobs, ProcessBudget.of(params.landing))
    for outcome, entry in zip(outcomes, readable, strict=True):
        seen[entry.file_id] = outcome
        progress(len(seen), len(readable), entry.relpath)
    examined = [
        _Examined(
            entry=entry,
            source=read_source(beside(inbox, entry, SOURCE_SUFFIX)),
            checksums=_checksums(inbox, entry),
            seen=seen.get(entry.file_id),
        )
        for entry in fresh
    ]
    rows = [_row(inbox, each, params) for each in examined]
    return rows, [notice for each in examined for notice in each.notices]


def expected_clips(params: Params, declared_ns: int | None) -> int:
    """Number of clips that a video of this declared duration will give, before it is decoded."""
    length_ns = params.clips.length_ns
    full = ((declared_ns or 0) + _DECLARED_SLACK_NS) // length_ns
    return min(int(full), params.clips.max_clips_per_video)


def _probe(job: tuple[Path, FileBudget]) -> Probe:
    return probe(*job)


def _checksums(inbox: Path, entry: InboxFile | SkippedFile) -> tuple[StatedChecksum, ...]:
    paths = (beside(inbox, entry, suffix) for suffix in CHECKSUM_SUFFIXES)
    return tuple(read_checksum(path, Path(entry.relpath).name) for path in paths if path)


def _row(inbox: Path, examined: _Examined, params: Params) -> dict[str, Any]:
    entry, seen = examined.entry, examined.seen
    reason = _reason_against(examined, params)
    declared_ns = seen.declared_ns if isinstance(seen, Probe) else None
    origin = examined.source.origin
    return {
        **({"origin": origin.stated()} if origin else {}),
        "file_id": entry.file_id,
        "name": Path(entry.relpath).name,
        "relpath": entry.relpath,
        "sha256": entry.sha256 if isinstance(entry, InboxFile) else None,
        "bytes": entry.bytes,
        "sidecar": _sidecar(inbox, entry),
        "licence": examined.source.licence,
        "source": examined.source.source,
        "outcome": "rejected" if reason else "ok",
        "reason": reason,
        "container": seen.container if isinstance(seen, Probe) and not reason else None,
        "expected_clips": 0 if reason else expected_clips(params, declared_ns),
    }


def _reason_against(examined: _Examined, params: Params) -> str | None:
    entry, seen = examined.entry, examined.seen
    if isinstance(entry, SkippedFile):
        return entry.reason
    if entry.bytes == 0:
        return "the file is empty"
    for checksum in examined.checksums:
        if problem := checksum.problem_of(entry.path, entry.sha256):
            return problem
    if isinstance(seen, FileFault):
        return seen.reason
    declared_ns = seen.declared_ns if seen else None
    try:
        FileBudget.of(params.landing).check_duration((declared_ns or 0) / 1e9)
    except DecodeError as error:
        return str(error)
    return None


def _sidecar(inbox: Path, entry: InboxFile | SkippedFile) -> dict[str, str] | None:
    path = beside(inbox, entry, TRUTH_SUFFIX)
    if path is None:
        return None
    relpath = Path(entry.relpath).with_name(path.name)
    return {"relpath": relpath.as_posix(), "sha256": sha256_file(path)}
