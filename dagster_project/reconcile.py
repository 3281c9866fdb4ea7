"""Reports published versions, and changes on disk, that Dagster has no event for.

- **Unreported versions.** A process killed between publishing and its event, `p4d stage`,
  `dvc repro` and `dvc pull` leave published versions that Dagster does not know.
  `report_unreported` reports each by an event without a run, with its provenance, its numbers and
  its recorded checks. It computes nothing.
- **Changes.** Dagster cannot see the disk. `report_changes` reports a *correction* for every
  artifact that is not fresh although Dagster calls it fresh: an edited or deleted output, an edited
  manifest, a changed list of shards.

A correction is marked by the metadata `p4d/kind: correction`. It carries the last reported data
version, because nobody made another one and a new data version would start automation; and the
state in place of the code version, so that Dagster calls the artifact stale until it is made again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import dagster as dg

from dagster_project.dagster_internals import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    AssetGraph,
    Staleness,
    latest_materialization,
    latest_tags,
    read_inputs,
    version_tags,
)
from dagster_project.inbox_asset import report_landed, source_versions, sources
from dagster_project.metadata import version_metadata
from p4d.pipeline import Stage, stage_named
from p4d.project import Project
from p4d.quality.gates import GATES
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, data_version
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.run_stage import Materialization
from p4d.versioning.state.workspace import (
    ArtifactStatus,
    Workspace,
    code_versions,
    status,
)

KIND, CORRECTION, REPORT, FAILURE = "p4d/kind", "correction", "report", "failure"


Versions: TypeAlias = Mapping[ArtifactKey, tuple[str, str]]
"""By fresh artifact, its MD5 and the version of its code; in pipeline order."""


def fresh_versions(project: Project) -> Versions:
    """What is fresh now."""
    code = code_versions(project)
    return {
        item.key: (item.md5 or "", code[item.key.stage])
        for item in status(project)
        if item.state == "fresh"
    }


def unreported(instance: dg.DagsterInstance, versions: Versions) -> list[ArtifactKey]:
    """Those of `versions` that are not Dagster's latest, or whose sources are not."""
    return [
        key
        for key, (md5, code) in versions.items()
        if not _is_reported(
            latest_tags(instance, key.stage, key.shard),
            stage_named(key.stage),
            {DATA_VERSION_TAG: data_version(md5), CODE_VERSION_TAG: code},
        )
    ]


def _is_reported(tags: Mapping[str, str], stage: Stage, versions: Mapping[str, str]) -> bool:
    # Events of a project that was made before the graph had sources do not name them.
    wanted = sources(stage)
    return versions.items() <= tags.items() and read_inputs(tags, wanted) == set(wanted)


def report_unreported(
    instance: dg.DagsterInstance,
    project: Project,
    *,
    fresh: Versions | None = None,
    only: Collection[str] | None = None,
    leave_out: Collection[ArtifactKey] = (),
    limit: int | None = None,
) -> list[ArtifactKey]:
    """Report what `unreported` finds; returns their keys.

    Args:
        instance: where.
        project: whose versions.
        fresh: what is fresh, if that was just looked up; default: `fresh_versions`.
        only: names of stages; artifacts of others are left out.
        leave_out: artifacts that a run is about to report.
        limit: report this many at most; inputs come before what reads them.
    """
    report_landed(instance, project)
    versions = {
        key: version
        for key, version in (fresh_versions(project) if fresh is None else fresh).items()
        if key not in leave_out and (only is None or key.stage in only)
    }
    found = unreported(instance, versions)
    with Workspace(project) as workspace:
        ledger = Ledger(project)
        for key in found[:limit]:
            made = published(workspace, ledger, key)
            _report_version(instance, project, made, _checks(ledger, made.version))
    return found[:limit]


def published(workspace: Workspace, ledger: Ledger, key: ArtifactKey) -> Materialization:
    """The published version of a fresh artifact, with what the ledger records of it."""
    md5 = workspace.recorded_md5(key) or ""
    # No record if dvc.lock came without the ledger it belongs to: then numbers are unknown.
    record: Mapping[str, Any] = ledger.index().record(ArtifactVersion(key, md5)) or {}
    excluded = record.get("excluded", {})
    return Materialization(
        version=ArtifactVersion(key, md5),
        code_version=workspace.code_version(workspace.stage(key.stage)),
        upstream=_inputs_now(workspace, key, excluded),
        excluded=excluded,
        rows=record.get("rows", {}),
        metrics=record.get("metrics", {}),
        cost=record.get("cost", {}),
        skipped=True,
        path=workspace.project.root / out_path(key),
    )


def _inputs_now(
    workspace: Workspace, key: ArtifactKey, excluded: Mapping[str, str]
) -> dict[str, str]:
    """Data versions of the inputs. As the artifact is fresh, it was made of these."""
    found: dict[str, str] = {}
    for name in workspace.stage(key.stage).inputs:
        upstream = workspace.stage(name)
        keys = workspace.keys_of(upstream)
        if upstream.per_shard and key.shard is not None:
            keys = [ArtifactKey(name, key.shard)]
        for each in keys:
            if each.shard is None or each.shard not in excluded:
                found[str(each)] = data_version(workspace.recorded_md5(each) or "")
    return found


def _report_version(
    instance: dg.DagsterInstance,
    project: Project,
    made: Materialization,
    checks: Mapping[str, str],
) -> None:
    tags = version_tags(
        instance,
        data_version=made.data_version,
        code_version=made.code_version,
        inputs=input_versions(made.key.stage, made.upstream),
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=dg.AssetKey(made.key.stage),
            partition=made.key.shard,
            description="Published without Dagster; reported from the ledger.",
            # In the metadata: Dagster stores one runless result per check and partition, ever.
            metadata={
                **version_metadata(project, made),
                KIND: REPORT,
                "checks": dg.MetadataValue.json(dict(checks)),
            },
            tags=tags,
        )
    )


def input_versions(stage_name: str, upstream: Mapping[str, str]) -> dict[str, Any]:
    """By asset, the version that was read; of a per-shard stage those of its shards, in order.

    Args:
        stage_name: the stage that read them.
        upstream: by artifact, its data version.
    """
    found: dict[str, Any] = dict(source_versions(stage_name))
    for name, version in sorted(upstream.items()):
        key = ArtifactKey.parse(name)
        if key.shard is None:
            found[key.stage] = version
        else:
            found.setdefault(key.stage, []).append(version)
    return found


def _checks(ledger: Ledger, version: ArtifactVersion) -> dict[str, str]:
    """The recorded result of each check of a version; checks of earlier releases are left out."""
    recorded = ledger.index().checks(version)
    names = [gate.name for gate in GATES.get(version.key.stage, ()) if gate.name in recorded]
    return {name: "passed" if recorded[name]["passed"] else "failed" for name in names}


def report_changes(
    instance: dg.DagsterInstance, graph: AssetGraph, project: Project
) -> list[ArtifactStatus]:
    """Report a correction for every artifact that only Dagster calls fresh; returns them."""
    staleness, corrected = Staleness(instance, graph), []
    with Workspace(project) as workspace:
        for key in workspace.all_keys():
            now = workspace.status(key)
            if now.state == "fresh" or not staleness.is_fresh(key.stage, key.shard):
                continue
            reasons = now.summary
            reported = {"reasons": reasons, "state": now.state, KIND: CORRECTION}
            last = latest_materialization(instance, key.stage, key.shard)
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=dg.AssetKey(key.stage),
                    partition=key.shard,
                    description=f"Not fresh: {reasons}",
                    # The page shows the latest event: the reason first, then what it showed before.
                    metadata={**reported, **(last.metadata if last else {}), **reported},
                    tags={**((last.tags if last else None) or {}), CODE_VERSION_TAG: now.state},
                )
            )
            corrected.append(now)
    return corrected
