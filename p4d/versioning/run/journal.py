"""The journal of a publish: everything that it is about to do, on disk before it does any of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p4d.atomic import sync_folder, write_durably
from p4d.project import Project


@dataclass(frozen=True)
class Intent:
    """What a publish does once it is decided; the content of the journal.

    Attributes:
        id: names the ledger record, so that it is appended once.
        key: the artifact as dvc.lock names it.
        out: the target folder, relative to the project.
        staging: the staging folder, relative to the project: the new version under `new`, the
            replaced one under `old`.
        md5: hash of the new version.
        swap: False if the target holds that very content already.
        entry: block of dvc.lock, or None if DVC writes it.
        record: body of the ledger record.
    """

    id: str
    key: str
    out: str
    staging: str
    md5: str
    swap: bool
    entry: str | None
    record: Mapping[str, Any]


def has_journal(project: Project) -> bool:
    """Whether a publish was decided and not finished: its process is at work, or died."""
    return _path(project).exists()


def write_journal(project: Project, intent: Intent) -> None:
    """Write the journal and flush it to disk."""
    write_durably(_path(project), json.dumps(asdict(intent), sort_keys=True).encode())
    sync_folder(project.state)


def read_journal(project: Project) -> Intent | None:
    """The intent of an unfinished publish, or None."""
    try:
        return Intent(**json.loads(_path(project).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def drop_journal(project: Project) -> None:
    """Remove the journal: its publish is finished or undone."""
    _path(project).unlink(missing_ok=True)


def journal_names(project: Project, folder: Path) -> bool:
    """Whether an unfinished publish still needs a staging folder."""
    intent = read_journal(project)
    return intent is not None and project.root / intent.staging == folder


def _path(project: Project) -> Path:
    return project.state / "journal.json"
