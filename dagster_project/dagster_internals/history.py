"""Events and files that deleted runs leave, and events without a run."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage


def latest_event_ids(instance: dg.DagsterInstance, asset: dg.AssetKey) -> set[int]:
    """Storage ids of the latest materialization and observation of each partition of an asset."""
    found: set[int] = set()
    for kind in (
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_OBSERVATION,
    ):
        storage = instance.event_log_storage
        found |= set(storage.get_latest_storage_id_by_partition(asset, kind).values())
    for records in (
        instance.fetch_materializations(asset, limit=1).records,
        instance.fetch_observations(asset, limit=1).records,
    ):
        found |= {record.storage_id for record in records}
    return found


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run, its events, its logs and, on SQLite, the file that held its events."""
    instance.delete_run(run_id)
    with contextlib.suppress(NotImplementedError):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):  # it deletes the rows and keeps the file
        path = Path(storage.path_for_shard(run_id))
        for each in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))):
            each.unlink(missing_ok=True)


def delete_old_reports(
    instance: dg.DagsterInstance, *, before_s: float, keep: Collection[int]
) -> int:
    """Delete events without a run, except some; returns their number.

    Args:
        instance: whose events.
        before_s: only events before this time.
        keep: storage ids of events that stay.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    old = sqlalchemy.and_(
        events.c.run_id == RUNLESS_RUN_ID,
        events.c.timestamp < datetime.fromtimestamp(before_s, UTC).replace(tzinfo=None),
    )
    with storage.index_connection() as index:
        found = [row[0] for row in index.execute(sqlalchemy.select(events.c.id).where(old))]
        gone = sorted(set(found) - set(keep))
        for start in range(0, len(gone), 500):
            chunk = gone[start : start + 500]
            index.execute(tags.delete().where(tags.c.event_id.in_(chunk)))
            index.execute(events.delete().where(events.c.id.in_(chunk)))
    if isinstance(storage, SqliteEventLogStorage):  # a second copy, which nothing reads
        with storage.run_connection(RUNLESS_RUN_ID) as copies:
            copies.execute(events.delete().where(old))
    return len(gone)
