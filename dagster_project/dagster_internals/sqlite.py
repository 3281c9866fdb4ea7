"""SQLite as Dagster's storage, without a flush to disk for every event.

Dagster opens a connection for every query. The last one that closes moves the write-ahead log into
the database, and every commit waits for the disk: 700 times for a shard. What is in these databases
is a view of what the ledger records, and `reconcile` reports again what is missing, so a power cut
may cost its last events. The death of a process costs none (https://sqlite.org/pragma.html,
`synchronous`).
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Engine, event


@functools.lru_cache(maxsize=1)
def commit_without_flush() -> None:
    """Let commits of this process to SQLite return before the disk has them."""
    event.listen(Engine, "connect", _relax)


def _relax(connection: Any, record: Any) -> None:  # noqa: ANN401 - of any database
    del record
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def kept_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Keep a connection to each database of an instance, so that no close is the last one.

    Args:
        instance: one that keeps its events elsewhere is left alone.
        run_id: of a run that was created; its events have a database of their own.
    """
    events, held = instance.event_log_storage, []
    try:
        if isinstance(events, SqliteEventLogStorage):
            folder = Path(events.path_for_shard(run_id)).parent
            for path in (
                folder / f"{run_id}.db", folder / "index.db", folder.parent / "runs.db"
            ):  # fmt: skip
                if path.is_file():
                    connection = sqlite3.connect(path, check_same_thread=False)
                    held.append(connection)
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield
    finally:
        for connection in held:
            connection.close()
