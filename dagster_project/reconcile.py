"""Reports published versions, and changes on disk, that Dagster has no event for.

- **Unreported versions.** A process killed between publishing and its event, `p4d stage`,
  `dvc repro` and `dvc pull` leave published versions that Dagster does not know.
  `report_unreported` reports each by an event without a run, with its provenance, numbers and
  recorded checks. It computes nothing.
- **Changes.** Dagster cannot see the disk. `report_changes` reports a *correction* for every
  artifact that is not fresh although Dagster calls it fresh: an edited or deleted output, an edited
  manifest, a changed list of shards.

A correction is marked by the metadata `p4d/kind: correction`. It carries the last reported data
version, because nobody made another one and a new data version would start automation; and the
state in place of the code version, so that Dagster calls the artifact stale until it is made again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project.dagster_internals import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    Staleness,
    latest_tags,
    version_tags,
)
from dagster_project.metadata import check_metadata, version_metadata
from dagster_project.resources import severity
from p4d.config import Project
from p4d.pipeline import Stage
from p4d.quality.gates import GATES
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.run_stage import Materialization
from p4d.versioning.state.plan import Instance
from p4d.versioning.state.workspace import (
    InstanceStatus,
    Workspace,
    code_versions,
    instance_key,
    status,
)

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

KIND, CORRECTION, REPORT = "p4d/kind", "correction", "report"


def unreported(instance: dg.DagsterInstance, project: Project) -> list[Instance]:
    """Fresh artifacts whose data or code version is not Dagster's latest, in pipeline order."""
    code = code_versions(project)
    return [
        (item.stage, item.shard)
        for item in status(project)
        if item.state == "fresh"
        and _reported(instance, item.stage, item.shard) != (f"md5:{item.md5}", code[item.stage])
    ]


def _reported(
    instance: dg.DagsterInstance, stage: str, shard: str | None
) -> tuple[str | None, str | None]:
    tags = latest_tags(instance, stage, shard)
    return tags.get(DATA_VERSION_TAG), tags.get(CODE_VERSION_TAG)


def report_unreported(
    instance: dg.DagsterInstance,
    project: Project,
    *,
    only: Collection[str] | None = None,
    leave_out: Collection[Instance] = (),
    limit: int | None = None,
) -> list[str]:
    """Report what `unreported` finds; returns the keys of the reported artifacts.

    Args:
        instance: where.
        project: whose versions.
        only: names of stages; artifacts of others are left out.
        leave_out: artifacts that a run is about to report.
        limit: report this many at most; inputs come before what reads them.
    """
    found = [
        each
        for each in unreported(instance, project)
        if each not in leave_out and (only is None or each[0] in only)
    ]
    reported = []
    with Workspace(project) as workspace:
        ledger = Ledger(project)
        for stage, shard in found[:limit]:
            made = _published(workspace, ledger, workspace.stage(stage), shard)
            _report_version(instance, project, made)
            _report_checks(instance, ledger, made)
            reported.append(made.key)
    return reported


def _published(
    workspace: Workspace, ledger: Ledger, stage: Stage, shard: str | None
) -> Materialization:
    """The published version of a fresh artifact, with what the ledger records of it."""
    md5 = workspace.recorded_md5(stage.name, shard)
    # No record if dvc.lock came without the ledger it belongs to: then numbers are unknown.
    record: Mapping[str, Any] = ledger.latest_materialization(stage.name, shard, md5) or {}
    excluded = record.get("excluded", {})
    return Materialization(
        stage=stage.name,
        shard=shard,
        data_version=f"md5:{md5}",
        code_version=workspace.code_version(stage),
        upstream=_inputs_now(workspace, stage, shard, excluded),
        excluded=excluded,
        rows=record.get("rows", {}),
        metrics=record.get("metrics", {}),
        cost=record.get("cost", {}),
        skipped=True,
        path=workspace.project.root / out_path(stage, shard),
    )


def _inputs_now(
    workspace: Workspace, stage: Stage, shard: str | None, excluded: Mapping[str, str]
) -> dict[str, str]:
    """Data versions of the inputs. As the artifact is fresh, it was made of these."""
    found: dict[str, str] = {}
    for name in stage.inputs:
        shards: list[str | None] = [None]
        if workspace.stage(name).per_shard:
            shards = [shard] if shard else [s for s in workspace.shards if s not in excluded]
        for each in shards:
            found[instance_key(name, each)] = f"md5:{workspace.recorded_md5(name, each)}"
    return found


def _report_version(instance: dg.DagsterInstance, project: Project, made: Materialization) -> None:
    tags = version_tags(
        instance,
        data_version=made.data_version,
        code_version=made.code_version,
        inputs=_inputs(made.upstream),
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=dg.AssetKey(made.stage),
            partition=made.shard,
            description="Published without Dagster; reported from the ledger.",
            metadata={**version_metadata(project, made), KIND: REPORT},
            tags=tags,
        )
    )


def _inputs(upstream: Mapping[str, str]) -> dict[str, Any]:
    """By stage, the version that was read; of a per-shard stage those of its shards, in order."""
    found: dict[str, Any] = {}
    for name, version in sorted(upstream.items()):
        stage, _, shard = name.partition("@")
        if shard:
            found.setdefault(stage, []).append(version)
        else:
            found[stage] = version
    return found


def _report_checks(instance: dg.DagsterInstance, ledger: Ledger, made: Materialization) -> None:
    """Report the recorded checks of a version; checks of former releases are left out."""
    recorded = ledger.checks_for(made.md5, made.stage, made.shard)
    for gate in GATES.get(made.stage, ()):
        if (check := recorded.get(gate.name)) is None:
            continue
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(made.stage),
                check_name=gate.name,
                passed=check["passed"],
                severity=severity(check["severity"]),
                description=gate.description,
                blocking=gate.blocking,
                partition=made.shard,
                metadata=check_metadata(made.md5, check["details"]),
            )
        )


def report_changes(
    instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], project: Project
) -> list[InstanceStatus]:
    """Report a correction for every artifact that only Dagster calls fresh; returns them."""
    staleness, corrected = Staleness(instance, graph), []
    with Workspace(project) as workspace:
        for stage, shard in workspace.instances():
            now = workspace.status(stage, shard)
            if now.state == "fresh" or not staleness.is_fresh(stage.name, shard):
                continue
            reasons = "; ".join(now.reasons)
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=dg.AssetKey(stage.name),
                    partition=shard,
                    description=f"Not fresh: {reasons}",
                    metadata={KIND: CORRECTION, "state": now.state, "reasons": reasons},
                    tags={
                        **latest_tags(instance, stage.name, shard),
                        CODE_VERSION_TAG: now.state,
                    },
                )
            )
            corrected.append(now)
    return corrected
