"""Builds the assets and asset checks of every stage from its declaration."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg

from dagster_project.automation import RETRAINED_WEEKLY, on_new_data
from dagster_project.partitions import SHARDS
from dagster_project.project import project
from dagster_project.resources import Workspace
from p4d.errors import P4DError
from p4d.pipeline import STAGES, Stage, stage_named
from p4d.quality.gates import GATES
from p4d.versioning.state.workspace import code_versions

_KINDS = {
    "ingest": {"python", "parquet"},
    "teacher": {"pytorch"},
    "labels": {"pytorch", "safetensors"},
    "questions": {"polars", "parquet"},
    "release": {"polars", "parquet"},
    "students": {"huggingface", "pytorch"},
    "evaluation": {"duckdb", "parquet"},
}


@cache
def _code_versions() -> Mapping[str, str]:
    return code_versions(project())


def stage_asset(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator: the asset of a stage, with everything derived from the stage's declaration."""
    stage = stage_named(name)
    return dg.asset(
        name=stage.name,
        deps=list(stage.inputs),
        group_name=stage.group,
        description=stage.description,
        code_version=_code_versions()[stage.name],
        partitions_def=SHARDS if stage.per_shard else None,
        automation_condition=on_new_data(stage),
        freshness_policy=RETRAINED_WEEKLY if stage.name == "champion" else None,
        kinds=_KINDS[stage.group],
        pool=stage.pool,
        output_required=True,
    )


def stage_checks(stage: Stage) -> dg.AssetChecksDefinition:
    """The gates of one stage as asset checks, per partition where the stage has partitions."""
    partitions = SHARDS if stage.per_shard else None

    @dg.multi_asset_check(
        name=f"{stage.name}_gates",
        specs=[
            dg.AssetCheckSpec(
                gate.name,
                asset=stage.name,
                description=gate.description,
                blocking=gate.blocking,
                partitions_def=partitions,
            )
            for gate in GATES[stage.name]
        ],
    )
    def gates(
        context: dg.AssetCheckExecutionContext, workspace: Workspace
    ) -> Iterator[dg.AssetCheckResult]:
        shard = context.partition_key if stage.per_shard else None
        try:
            yield from workspace.judge(stage, shard, context.run.run_id)
        except P4DError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error

    return gates


def all_stage_checks() -> list[dg.AssetChecksDefinition]:
    """Checks of every stage that has gates."""
    return [stage_checks(stage) for stage in STAGES if GATES.get(stage.name)]
