"""Folders of datasets become videos of the inbox, before landing takes those.

A folder that was dropped into the inbox is recognised by its layout (p4d/datasets). Its files are
then no videos of their own: `scan` leaves the folder out, and its sequences land from
`inbox/datasets/FORMAT/`. Each sequence is converted in a process with a budget, so a broken one
costs itself alone. What became of a folder is remembered by the sizes and times of its files; the
next landing converts it again only if one of them changed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p4d.artifacts import write_bytes
from p4d.datasets.hidden_folder import sweep
from p4d.datasets.reader import Options, check_options
from p4d.datasets.registry import DatasetRoot, find_roots, reader_named
from p4d.errors import DatasetError
from p4d.ids import content_id
from p4d.progress import Progress
from p4d.project import Project
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video
from p4d.video.inbox import DATASET_FOLDERS

if TYPE_CHECKING:
    from p4d.datasets.convert import Converted

CONVERTED = "datasets"
"""Folder of the inbox that holds the videos made from datasets."""


@dataclass(frozen=True, kw_only=True)
class FolderReport:
    """What became of the sequences of one dataset.

    Attributes:
        converted: sequences that are videos of the inbox now.
        failed: by sequence, why it is not.
    """

    converted: tuple[Converted, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def notices(self, name: str) -> tuple[str, ...]:
        """What the user should know, one line each."""
        lines = [
            f"{name}: {sequence!r} is left out: {why}" for sequence, why in self.failed.items()
        ]
        for each in self.converted:
            shown = "; ".join(each.problems[:3])
            more = f" and {len(each.problems) - 3} more" if len(each.problems) > 3 else ""
            if each.problems:
                lines.append(f"{name}: {each.sequence!r} lands without a part: {shown}{more}")
        return tuple(lines)


@dataclass(frozen=True, kw_only=True)
class _Job:
    format: str
    folder: Path
    sequence: str
    target: Path
    options: Options


@dataclass(frozen=True, kw_only=True)
class DroppedFolders:
    """Datasets that lie in the inbox.

    Attributes:
        folders: their roots, whose files are not landed one by one.
        waiting: of them, those that are still being copied.
        notices: one line each.
    """

    folders: tuple[Path, ...] = ()
    waiting: int = 0
    notices: tuple[str, ...] = ()


def convert_folder(
    project: Project,
    root: DatasetRoot,
    options: Options,
    progress: Progress = lambda done, total, note: None,
) -> FolderReport:
    """Convert every sequence of a dataset into the inbox.

    Raises:
        DatasetError: the folder is not of this layout, or an option is unknown.
    """
    reader = reader_named(root.format)
    check_options(reader, options)
    sequences = reader.sequences(root.folder, options)
    target = project.inbox / CONVERTED / root.format
    jobs = [
        _Job(
            format=root.format,
            folder=root.folder,
            sequence=sequence,
            target=target,
            options=dict(options),
        )
        for sequence in sequences
    ]
    converted: list[Converted] = []
    failed: dict[str, str] = {}
    outcomes = per_video(_convert, jobs, ProcessBudget.of(project.params.landing))
    for done, (job, outcome) in enumerate(zip(jobs, outcomes, strict=True), 1):
        if isinstance(outcome, FileFault):
            failed[job.sequence] = outcome.reason
        else:
            converted.append(outcome)
        progress(done, len(jobs), job.sequence)
    return FolderReport(converted=tuple(converted), failed=failed)


def convert_named(
    project: Project,
    format_name: str,
    folder: Path,
    options: Options,
    progress: Progress = lambda done, total, note: None,
) -> tuple[str, ...]:
    """Convert the dataset in `folder`, or all of this format in the folders below it.

    Returns:
        Notices, one line each.

    Raises:
        DatasetError: there is none; what the layout needs.
    """
    check_options(reader_named(format_name), options)
    roots = list(find_roots(folder, format_name))
    if not roots:  # the reader says what it misses
        roots = [DatasetRoot(format_name, folder)]
    notices: list[str] = []
    for root in roots:
        name = root.folder.resolve().name
        try:
            report = convert_folder(project, root, options, progress)
        except DatasetError as error:
            if len(roots) == 1:
                raise
            notices.append(f"{name} is left out: {error}")
            continue
        notices += report.notices(name)
    return tuple(notices)


def convert_dropped(project: Project, *, settle_s: float, progress: Progress) -> DroppedFolders:
    """Convert the datasets in the inbox that are new and at rest.

    Args:
        project: whose inbox.
        settle_s: a folder with a file that changed less than this ago waits.
        progress: called per sequence.
    """
    for target in sorted((project.inbox / CONVERTED).glob("*/")):
        sweep(target)
    cache = project.state / DATASET_FOLDERS
    remembered, current = _load(cache), {}
    notices: list[str] = []
    folders, waiting = [], 0
    for root in _dropped(project.inbox):
        folders.append(root.folder)
        relpath = root.folder.relative_to(project.inbox).as_posix()
        newest_s, key = _state_of(root)
        if time.time() - newest_s < settle_s:
            waiting += 1
            notices.append(f"{relpath!r} waits: still being written")
            continue
        known = remembered.get(relpath)
        if known is not None and known.get("key") == key:
            lines = known.get("notices", [])
        else:
            lines = _converted_lines(project, root, relpath, progress)
        current[relpath] = {"key": key, "notices": list(lines)}
        notices += lines
    if current != remembered:
        write_bytes(cache, json.dumps(current, sort_keys=True).encode())
    return DroppedFolders(folders=tuple(folders), waiting=waiting, notices=tuple(notices))


def _converted_lines(
    project: Project, root: DatasetRoot, relpath: str, progress: Progress
) -> Sequence[str]:
    try:
        return convert_folder(project, root, {}, progress).notices(relpath)
    except DatasetError as error:
        return [f"{relpath!r} is left out: {error}"]


def _dropped(inbox: Path) -> Iterator[DatasetRoot]:
    converted = inbox / CONVERTED
    for root in find_roots(inbox):
        if root.folder != inbox and not root.folder.is_relative_to(converted):
            yield root


def _state_of(root: DatasetRoot) -> tuple[float, str]:
    """Time of the newest change below a root, and an id of names, sizes and times."""
    newest_s, files = 0.0, []
    for where, folders, names in os.walk(root.folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            try:
                status = path.stat()
            except OSError:
                continue
            newest_s = max(newest_s, status.st_mtime)
            relpath = path.relative_to(root.folder).as_posix()
            files.append([ascii(relpath), status.st_size, status.st_mtime_ns])
    return newest_s, content_id("dataset", root.format, files)


def _convert(job: _Job) -> Converted:
    # It imports polars, which takes longer than a landing that finds nothing.
    from p4d.datasets.convert import convert

    return convert(job.format, job.folder, job.sequence, job.target, job.options)


def _load(cache: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(cache.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
