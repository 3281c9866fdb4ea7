"""Builds the assets from the declarations of `p4d.pipeline`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import dagster as dg

from dagster_project import asset_page
from dagster_project.shards.definition import shard_assets
from dagster_project.shards.stage import ShardStage
from dagster_project.slots import pool_of
from dagster_project.stage_attributes import attributes
from p4d.pipeline import STAGES, stage_named
from p4d.project import Project
from p4d.versioning.state.workspace import code_versions


def stage_asset(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator: the asset of a stage without shards, with all that its declaration says.

    The description is that of the stage (what is stored), then the docstring of the decorated
    function (what a run does), then its tables. `load_assets` adds what depends on the project: the
    code version, and the code reference.
    """
    stage = stage_named(name)

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            name=stage.name,
            **attributes(stage, inspect.getdoc(function)),
            pool=pool_of(stage),
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

    loaded = [
        each
        for each in dg.load_assets_from_package_module(package)
        if isinstance(each, dg.AssetsDefinition)
    ]
    loaded.append(shard_assets(_shard_stages(package)))
    return [each.map_asset_specs(add) for each in loaded]


def _shard_stages(package: ModuleType) -> list[ShardStage]:
    """The per-shard stages that the modules of a package declare, in pipeline order."""
    found = {each.stage.name: each for each in _declared(package)}
    return [found[stage.name] for stage in STAGES if stage.name in found]


def _declared(package: ModuleType) -> Iterator[ShardStage]:
    for info in pkgutil.iter_modules(package.__path__, prefix=f"{package.__name__}."):
        for each in vars(importlib.import_module(info.name)).values():
            if isinstance(each, ShardStage):
                yield each
