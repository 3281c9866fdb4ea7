"""SQLite as Dagster's storage, without a flush to disk and a new connection for every event.

Dagster opens a connection for every query. The last one that closes moves the write-ahead log into
the database, and every commit waits for the disk: 700 times for a shard. What is in these databases
is a view of what the ledger records, and `reconcile` reports again what is missing, so a power cut
may cost its last events. The death of a process costs none (https://sqlite.org/pragma.html,
`synchronous`).
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

_Connect = Callable[[str], AbstractContextManager[Connection]]


@functools.lru_cache(maxsize=1)
def commit_without_flush() -> None:
    """Let commits of this process to SQLite return before the disk has them."""
    event.listen(Engine, "connect", _relax)


def _relax(connection: Any, record: Any) -> None:  # noqa: ANN401 - of any database
    del record
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the connections to the databases of an instance, so that no close is the last one.

    Args:
        instance: one that keeps its runs and events elsewhere is left alone.
    """
    with ExitStack() as stack:
        events, runs = instance.event_log_storage, instance.run_storage
        if isinstance(events, SqliteEventLogStorage):
            pools = stack.enter_context(_pools())
            stack.enter_context(_attribute(events, "_connect", _of_events(events, pools)))
        if isinstance(runs, SqliteRunStorage):
            pools = stack.enter_context(_pools())
            connect = functools.partial(_connected, pools, runs._conn_string)
            stack.enter_context(_attribute(runs, "connect", connect))
        yield


def _of_events(events: SqliteEventLogStorage, pools: dict[str, Engine]) -> _Connect:
    """Connects to the database of a run, or of all events, as `SqliteEventLogStorage._connect`."""
    first: _Connect = events._connect

    @contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        if shard not in events._initialized_dbs:  # it makes the tables
            with first(shard) as connection:
                yield connection
            return
        with events._db_lock, _connected(pools, events.conn_string_for_shard(shard)) as connection:
            yield connection

    return connect


@contextmanager
def _connected(pools: dict[str, Engine], address: str) -> Iterator[Connection]:
    """A transaction on a connection that stays open afterwards."""
    if address not in pools:
        pools[address] = create_engine(
            address, poolclass=QueuePool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        )
    with pools[address].begin() as connection:
        yield connection


@contextmanager
def _pools() -> Iterator[dict[str, Engine]]:
    """Connections by the address of their database, closed at the end."""
    pools: dict[str, Engine] = {}
    try:
        yield pools
    finally:
        for engine in pools.values():
            engine.dispose()


@contextmanager
def _attribute(owner: object, name: str, value: object) -> Iterator[None]:
    """An attribute of one object in place of a method of its class, for the block."""
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
