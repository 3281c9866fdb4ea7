"""Declares the asset of a per-shard stage."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import dagster as dg

from dagster_project.resources import StageRunner
from dagster_project.stage_attributes import attributes
from p4d.compute.engine import Engine
from p4d.compute.side_by_side import Later
from p4d.pipeline import Stage, stage_named
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.run.run_stage import Materialization


@dataclass(frozen=True)
class ShardRun:
    """One artifact that a run is about to make.

    Attributes:
        key: which one.
        force: compute although nothing changed.
        engine: runs it.
        later: runs a function in the thread of the step; several artifacts are made side by side,
            each in a thread of its own, and Dagster is used in that of the step.
    """

    context: dg.AssetExecutionContext
    runner: StageRunner
    key: ArtifactKey
    force: bool
    engine: Engine
    later: Later

    def make(self) -> Materialization:
        """Run its stage."""
        return self.runner.make(
            self.context, self.key, force=self.force, engine=self.engine, later=self.later
        )


Make: TypeAlias = Callable[[ShardRun], Materialization]


@dataclass(frozen=True, kw_only=True)
class ShardStage:
    """The asset of a per-shard stage: its declaration, and the function that makes one shard."""

    stage: Stage
    spec: dg.AssetSpec
    make: Make


def shard_stage(name: str) -> Callable[[Make], ShardStage]:
    """Decorator: the asset of a per-shard stage, with everything derived from its declaration."""
    stage = stage_named(name)

    def decorate(make: Make) -> ShardStage:
        spec = dg.AssetSpec(name, **attributes(stage, inspect.getdoc(make)))
        return ShardStage(stage=stage, spec=spec, make=make)

    return decorate
