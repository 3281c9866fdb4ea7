"""Keeps Dagster's history small: removes old runs and reports that no page needs.

The ledger is the record of the project, and has all versions for ever. Dagster's history is what
its pages show. A run stays for some days, and longer if it made the latest version of an artifact,
or if it still runs. Ticks of sensors and schedules have their retention in dagster.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from dagster_project.dagster_internals import delete_old_reports, delete_run, latest_event_ids

KEEP_DAYS = 90

_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_CHUNK = 200


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was removed.

    Attributes:
        runs: number of runs, with their events and logs.
        kept: runs that are old as well, and made what is current.
        reports: events without a run.
    """

    runs: int
    kept: int
    reports: int


def prune(instance: dg.DagsterInstance, before: datetime) -> Pruned:
    """Remove the runs that were created, and the reports that were made, before a time."""
    latest = {key: latest_event_ids(instance, key) for key in instance.get_asset_keys()}
    needed = {run for key, ids in latest.items() for run in _runs_of(instance, key, sorted(ids))}
    old = instance.get_run_records(dg.RunsFilter(statuses=_ENDED, created_before=before))
    runs = [record.dagster_run.run_id for record in old]
    gone = [run for run in runs if run not in needed]
    for run in gone:
        delete_run(instance, run)
    reports = delete_old_reports(
        instance,
        before_s=before.timestamp(),
        keep={each for ids in latest.values() for each in ids},
    )
    return Pruned(runs=len(gone), kept=len(runs) - len(gone), reports=reports)


def _runs_of(instance: dg.DagsterInstance, key: dg.AssetKey, ids: list[int]) -> set[str]:
    """Runs that these events of an asset belong to."""
    found: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _CHUNK])
        for fetch in (instance.fetch_materializations, instance.fetch_observations):
            found |= {record.run_id for record in fetch(wanted, limit=_CHUNK).records}
    return found
