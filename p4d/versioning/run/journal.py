"""The journal of a publish."""

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
    """All that publishing does once it is decided; what the journal holds.

    Attributes:
        id: names the ledger record, so that it is appended once.
        key: the instance in dvc.lock.
        out: the target, relative to the project.
        staging: the staging folder, relative to the project: the new version under `new`, the
            replaced one under `old`.
        md5: hash of the new version.
        swap: False where the target holds that very content already.
        entry: block of dvc.lock, or None inside DVC.
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
    """Whether a publishing was decided and not finished: its process is at work, or died."""
    return _journal_path(project).exists()


def _journal_path(project: Project) -> Path:
    return project.state / "journal.json"


def _write_journal(project: Project, intent: Intent) -> None:
    payload = json.dumps(asdict(intent), sort_keys=True).encode()
    write_durably(_journal_path(project), payload)
    sync_folder(project.state)


def _read_journal(project: Project) -> Intent | None:
    try:
        return Intent(**json.loads(_journal_path(project).read_text()))
    except FileNotFoundError:
        return None


def _journal_names(project: Project, folder: Path) -> bool:
    intent = _read_journal(project)
    return intent is not None and project.root / intent.staging == folder
