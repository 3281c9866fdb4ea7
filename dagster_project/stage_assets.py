"""Builds the asset of a stage from its declaration in `p4d.pipeline`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import dagster as dg

from dagster_project.automation import RETRAINED_WEEKLY, on_new_data
from dagster_project.partitions import SHARDS
from dagster_project.slots import pool_of
from p4d.pipeline import stage_named
from p4d.project import Project
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


def stage_asset(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator: the asset of a stage, with everything derived from the stage's declaration.

    The description is that of the stage (what is stored), then the docstring of the decorated
    function (what a run does). The code version is added by `load_assets`.
    """
    stage = stage_named(name)

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        does = inspect.getdoc(function)
        return dg.asset(
            name=stage.name,
            deps=list(stage.inputs),
            group_name=stage.group,
            description="\n\n".join(filter(None, (stage.description, does))),
            partitions_def=SHARDS if stage.per_shard else None,
            automation_condition=on_new_data(stage),
            freshness_policy=RETRAINED_WEEKLY if stage.name == "champion" else None,
            kinds=_KINDS[stage.group],
            pool=pool_of(stage),
            output_required=True,
        )(function)

    return decorate


def load_assets(package: ModuleType, project: Project) -> list[dg.AssetsDefinition]:
    """The assets of a package, each with its code version.

    That is the hash over command, parameters and code of the stage that `p4d status` uses.
    """
    versions = code_versions(project)

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(code_version=versions[spec.key.to_user_string()])

    loaded = dg.load_assets_from_package_module(package)
    return [each.map_asset_specs(add) for each in loaded if isinstance(each, dg.AssetsDefinition)]
