"""Published versions that Dagster has not heard of, so that its view and DVC's stay one.

A process killed between publishing and its event, a `p4d stage` call or a `dvc pull` leave such
versions. Materializing them again computes nothing, as they are fresh, and reports them with full
provenance.
"""

from __future__ import annotations

import dagster as dg

from p4d.config import Project
from p4d.versioning.fingerprint import code_versions, status
from p4d.versioning.plan import Instance


def unreported(instance: dg.DagsterInstance, project: Project) -> set[Instance]:
    """Fresh instances whose version or code version is not Dagster's latest."""
    code = code_versions(project)
    return {
        (item.stage, item.shard)
        for item in status(project)
        if item.state == "fresh"
        and _reported(instance, item.stage, item.shard) != (f"md5:{item.md5}", code[item.stage])
    }


def _reported(
    instance: dg.DagsterInstance, stage: str, shard: str | None
) -> tuple[str | None, str | None]:
    record = instance.get_latest_data_version_record(dg.AssetKey(stage), partition_key=shard)
    event = record.event_log_entry.dagster_event if record else None
    if event is None or not event.is_step_materialization:
        return None, None
    tags = event.step_materialization_data.materialization.tags or {}
    return tags.get("dagster/data_version"), tags.get("dagster/code_version")
