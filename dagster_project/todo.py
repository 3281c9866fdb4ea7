"""What `up` has to do, found without Dagster, whose import costs more than the look.

If nothing is to be made, Dagster is asked only whether it knows all published versions. Once it
did, `mark_reported` notes what it knows and which events its database had; `up` is then done until
either changes. Only SQLite has such a mark: PostgreSQL is asked each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from p4d.atomic import replacing
from p4d.errors import HistoryError
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.adopt import left_behind
from p4d.versioning.ledger.continuity import is_anchored, require_continued
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.check_records import refresh_blocked
from p4d.versioning.state.plan import Batch, Plan, in_order, make_plan

NOTHING = "Nothing to do: every artifact matches its code, parameters and inputs."
MARK = "p4d_reported.json"
"""In the folder of the instance, so that it goes with it."""
POSTGRES = "P4D_DAGSTER_POSTGRES_URL"
"""Environment variable with the address of the database:
`postgresql+psycopg2://USER:PASSWORD@HOST/NAME`.

The settings name the variable and never its value, so that no file holds a password. Without a
password in it, libpq's own chain gives one (`PGPASSWORD`, `~/.pgpass`)."""


@dataclass(frozen=True, kw_only=True)
class StepFailure:
    """A step or a blocking check that failed, with the library's message."""

    step: str
    reason: str
    shard: str | None = None


@dataclass(frozen=True, kw_only=True)
class Todo:
    """What `up` has to do.

    Attributes:
        project: where.
        only: names of stages, or None for all.
        plan: of the whole project.
    """

    project: Project
    only: Collection[str] | None
    plan: Plan

    @property
    def wanted(self) -> set[ArtifactKey]:
        """Artifacts to make or to check, of the stages that were asked for."""
        return {key for key in self.plan.wanted if self.only is None or key.stage in self.only}

    @cached_property
    def batches(self) -> list[Batch]:
        """What was asked for, in an order in which it can run."""
        return in_order(self.project, self.wanted)

    @property
    def blocked(self) -> list[StepFailure]:
        """What a failed check holds back."""
        return [
            StepFailure(step=str(key), reason=f"blocked: {why}")
            for key, why in self.plan.blocked.items()
        ]

    def is_done(self) -> bool:
        """Whether nothing is to be made, Dagster knows all of it, and the ledger is anchored."""
        if self.wanted or os.environ.get(POSTGRES):
            return False
        return _known(self.project) == _state(self) and is_anchored(self.project)

    def mark_reported(self) -> None:
        """Note that Dagster knows every fresh version. Call it when its databases are closed."""
        if self.only is not None or self.plan.wanted or os.environ.get(POSTGRES):
            return
        state = _state(self)
        if state["events"]:
            with replacing(_mark(self.project)) as temporary:
                temporary.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def look(project: Project, only: Collection[str] | None = None) -> Todo:
    """Finish what a killed process left, bring lists and pipeline files up to date, and plan.

    Raises:
        HistoryError: the ledger or its branch was rewritten, or this is a clone without it; nothing
            is made.
    """
    recover(project)  # also if nothing is to be made
    require_continued(project)
    if missing := left_behind(project):
        raise HistoryError(missing)
    refresh_pipeline_files(project)
    refresh_blocked(project)
    return Todo(project=project, only=only, plan=make_plan(project))


def is_run_open(project: Project) -> bool:
    """Whether Dagster's database has a run that started and did not end, be its process dead.

    Also if it cannot be known: PostgreSQL is not asked.
    """
    if os.environ.get(POSTGRES):
        return True
    database = _history(project) / "runs.db"
    if not database.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as runs:
            states = "('STARTING', 'STARTED', 'CANCELING')"
            found = runs.execute(f"select 1 from runs where status in {states} limit 1")
            return found.fetchone() is not None
    except sqlite3.Error:
        return True


def _known(project: Project) -> object:
    """The content of the mark; None if there is none, or if it is damaged."""
    try:
        return json.loads(_mark(project).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _mark(project: Project) -> Path:
    return project.root / ".dagster" / MARK


def _state(todo: Todo) -> dict[str, object]:
    """What Dagster has to know, and what tells whether it still knows it."""
    versions = json.dumps([todo.plan.versions, todo.project.shards()], sort_keys=True)
    return {
        "versions": hashlib.sha256(versions.encode()).hexdigest(),
        "events": _events(_history(todo.project) / "runs"),
    }


def _history(project: Project) -> Path:
    return project.root / ".dagster" / "history"


def _events(folder: Path) -> list[object]:
    """The state of Dagster's events: of assets in one database, and one more for each run."""
    index = folder / "index.db"
    if not index.is_file():
        return []
    found: list[object] = [sorted(path.name for path in folder.glob("*.db"))]
    for path in (index, index.with_name("index.db-wal")):
        stat = path.stat() if path.is_file() else None
        if stat is not None and stat.st_size:
            found.append([path.name, stat.st_size, stat.st_mtime_ns])
    return found
