"""Builds the asset of a stage from its declaration in `p4d.pipeline`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import dagster as dg

from dagster_project import asset_page
from dagster_project.automation import RETRAINED_WEEKLY, on_new_data
from dagster_project.partitions import SHARDS
from dagster_project.slots import pool_of
from p4d.pipeline import stage_named
from p4d.project import Project
from p4d.versioning.state.workspace import code_versions


def stage_asset(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator: the asset of a stage, with everything derived from the stage's declaration.

    The description is that of the stage (what is stored), then the docstring of the decorated
    function (what a run does), then its tables. `load_assets` adds what depends on the project: the
    code version, and the code reference.
    """
    stage = stage_named(name)

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            name=stage.name,
            deps=list(stage.inputs),
            group_name=stage.group,
            description=asset_page.description(stage, inspect.getdoc(function)),
            partitions_def=SHARDS if stage.per_shard else None,
            automation_condition=on_new_data(stage),
            freshness_policy=RETRAINED_WEEKLY if stage.name == "champion" else None,
            kinds=asset_page.kinds(stage),
            owners=asset_page.owners(stage),
            pool=pool_of(stage),
            output_required=True,
        )(function)

    return decorate


def load_assets(package: ModuleType, project: Project) -> list[dg.AssetsDefinition]:
    """The assets of a package, each with its code version, columns and code reference.

    The code version is the hash over command, parameters and code of the stage, which `p4d status`
    uses.
    """
    versions = code_versions(project)

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        stage = stage_named(spec.key.to_user_string())
        return spec.replace_attributes(
            code_version=versions[stage.name],
            metadata={
                **spec.metadata,
                **asset_page.definition_metadata(stage, project.root),
            },
        )

    loaded = dg.load_assets_from_package_module(package)
    return [each.map_asset_specs(add) for each in loaded if isinstance(each, dg.AssetsDefinition)]
