"""Fills the Dagster instance of a project with the events of many shards.

One run of `SHARDS_PER_RUN` shards is executed by Dagster: each per-shard asset is materialized and
checked with the metadata, tags and checks of the product. Dagster takes 0.2 s of processor time per
shard for it, so the rows of this run are repeated for the other shards with other names, runs and
row numbers.
"""

import hashlib
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.dagster_internals import recorded_outputs, version_tags
from dagster_project.dagster_internals.sqlite import commit_without_flush
from dagster_project.gates_check import check_specs, shard_evaluations
from dagster_project.partitions import SHARDS, sync_shards
from dagster_project.reconcile import input_versions
from dagster_project.run_plan import SHARDS_PER_RUN
from dagster_project.shards.definition import SHARD_OP
from p4d.pipeline import STAGES, Stage
from p4d.project import Project
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.state.workspace import code_versions

PER_SHARD = tuple(stage for stage in STAGES if stage.per_shard)
PICTURED = 4
"""The latest runs whose events keep pictures; those of all shards would fill a disk."""

_ROW_NUMBERS = re.compile(r'("storage_id": |input_event_pointer/\w+": ")(\d+)')
_PICTURE = re.compile(r"data:image/\w+;base64,[\w+/=]+")

_NAME = re.compile(r"\b(?:\d{5}-[0-9a-f]{8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
"""Of a shard, or of a run."""

Metadata = Mapping[str, Mapping[str, Any]]


def fill(
    project: Project, instance: dg.DagsterInstance, shards: Sequence[str], metadata: Metadata
) -> None:
    """Report every shard as made and checked.

    Args:
        project: whose shards; its code versions are reported.
        instance: of the project, on SQLite, without events.
        shards: closed ones; their number is a multiple of `SHARDS_PER_RUN`.
        metadata: by per-shard stage, what an event of it shows.
    """
    sync_shards(instance, project)
    starts = range(0, len(shards), SHARDS_PER_RUN)
    runs = [list(shards[start : start + SHARDS_PER_RUN]) for start in starts]
    run_id = _execute(project, instance, runs[0], metadata)
    folder = Path(instance.root_directory) / "history"
    copy = _Copy(run_id=run_id, shards=runs[0], total=len(runs))
    with closing(sqlite3.connect(folder / "runs" / "index.db")) as events:
        copy.events(events, runs)
        events.commit()
    with closing(sqlite3.connect(folder / "runs.db")) as listed:
        copy.runs(listed, runs)
        listed.commit()


def _execute(
    project: Project, instance: dg.DagsterInstance, shards: Sequence[str], metadata: Metadata
) -> str:
    code = code_versions(project)

    @dg.multi_asset(
        name=SHARD_OP,
        specs=[
            dg.AssetSpec(stage.name, partitions_def=SHARDS, deps=list(stage.inputs))
            for stage in PER_SHARD
        ],
        check_specs=[spec for stage in PER_SHARD for spec in check_specs(stage, SHARDS)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def make_shards(context: dg.AssetExecutionContext) -> Iterator[Any]:
        for shard in context.partition_keys:
            for stage in PER_SHARD:
                yield from _events_of(context, stage, shard, code[stage.name], metadata)
        yield from recorded_outputs(context, [stage.name for stage in PER_SHARD])

    commit_without_flush()
    done = dg.materialize(
        [make_shards],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": shards[0],
            "dagster/asset_partition_range_end": shards[-1],
        },
    )
    assert done.success
    return done.run_id


def _events_of(
    context: dg.AssetExecutionContext, stage: Stage, shard: str, code: str, metadata: Metadata
) -> Iterator[Any]:
    upstream = {
        str(ArtifactKey(name, shard if name in _NAMES else None)): _data_version(name, shard)
        for name in stage.inputs
    }
    yield dg.AssetMaterialization(
        asset_key=stage.name,
        partition=shard,
        metadata=metadata[stage.name],
        tags=version_tags(
            context.instance,
            data_version=_data_version(stage.name, shard),
            code_version=code,
            inputs=input_versions(stage.name, upstream),
        ),
    )
    results = [
        CheckResult(
            name=gate.name,
            passed=True,
            severity=gate.severity,
            description=gate.description,
            metrics={"rows": 240, "lowest": 0.01, "highest": 0.42, "at_most": 0.5},
        )
        for gate in GATES[stage.name]
    ]
    version = ArtifactVersion(ArtifactKey(stage.name, shard), "0" * 32)
    yield from shard_evaluations(context.instance, version, results)


_NAMES = {stage.name for stage in PER_SHARD}


def _data_version(name: str, shard: str) -> str:
    return "md5:" + hashlib.md5(f"{name} {shard}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """Repeats the rows of a run.

    Attributes:
        run_id: of the run.
        shards: of the run.
        total: runs there will be.
    """

    run_id: str
    shards: Sequence[str]
    total: int

    def events(self, database: sqlite3.Connection, runs: Sequence[Sequence[str]]) -> None:
        """Repeat events, their tags, and evaluations of checks."""
        (step,) = database.execute("SELECT max(id) FROM event_logs").fetchone()
        (check_step,) = database.execute("SELECT max(id) FROM asset_check_executions").fetchone()
        events = _rows(database, "event_logs", self.run_id)
        tags = _dicts(database.execute("SELECT * FROM asset_event_tags"))
        checks = _rows(database, "asset_check_executions", self.run_id)
        plain = [{**row, "event": _PICTURE.sub("", row["event"])} for row in events]
        for number, shards in enumerate(runs[1:], 1):
            by = number * step
            rename = self._renaming(shards, by)
            shown = events if self.total - number <= PICTURED else plain
            _insert(
                database, "event_logs",
                [{**row, **_renamed(row, rename), "id": row["id"] + by} for row in shown],
            )  # fmt: skip
            _insert(
                database, "asset_event_tags",
                [
                    {
                        **{name: value for name, value in row.items() if name != "id"},
                        "event_id": row["event_id"] + by,
                        "value": str(int(row["value"]) + by)
                        if "input_event_pointer" in row["key"] and row["value"].isdecimal()
                        else row["value"],
                    }
                    for row in tags
                ],
            )  # fmt: skip
            moved = ("evaluation_event_storage_id", "materialization_event_storage_id")
            _insert(
                database, "asset_check_executions",
                [
                    {
                        **row,
                        **_renamed(row, rename),
                        "id": row["id"] + number * check_step,
                        **{name: row[name] + by for name in moved if row[name] is not None},
                    }
                    for row in checks
                ],
            )  # fmt: skip
        # The list of assets shows the latest event of each.
        database.execute(
            "UPDATE asset_keys SET cached_status_data = NULL, last_run_id = ?, "
            "last_materialization = (SELECT event FROM event_logs e WHERE "
            "e.asset_key = asset_keys.asset_key AND dagster_event_type = 'ASSET_MATERIALIZATION' "
            "ORDER BY id DESC LIMIT 1)",
            (_run_id(runs[-1]),),
        )

    def runs(self, database: sqlite3.Connection, runs: Sequence[Sequence[str]]) -> None:
        """Repeat the run and its tags."""
        (row,) = _rows(database, "runs", self.run_id)
        tags = _rows(database, "run_tags", self.run_id)
        for shards in runs[1:]:
            rename = self._renaming(shards, 0)
            _insert(database, "runs", [{**_renamed(row, rename), "id": None}])
            _insert(database, "run_tags", [{**_renamed(tag, rename), "id": None} for tag in tags])

    def _renaming(self, shards: Sequence[str], by: int) -> Callable[[str], str]:
        names = {**dict(zip(self.shards, shards, strict=True)), self.run_id: _run_id(shards)}

        def rename(text: str) -> str:
            text = _NAME.sub(lambda found: names.get(found[0], found[0]), text)
            return _ROW_NUMBERS.sub(lambda found: f"{found[1]}{int(found[2]) + by}", text)

        return rename


def _run_id(shards: Sequence[str]) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, shards[0]))


def _renamed(row: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    return {name: rename(value) if isinstance(value, str) else value for name, value in row.items()}


def _rows(database: sqlite3.Connection, table: str, run_id: str) -> list[dict[str, Any]]:
    return _dicts(database.execute(f"SELECT * FROM {table} WHERE run_id = ?", (run_id,)))


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _insert(database: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" * len(names))
        columns = ", ".join(f'"{name}"' for name in names)
        database.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",
            [[row[name] for name in names] for row in rows],
        )
