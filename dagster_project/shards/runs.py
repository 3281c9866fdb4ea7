"""Runs the per-shard stages for the shards of a run, shard after shard, each on its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import dagster as dg

from dagster_project.dagster_internals import (
    CheckTarget,
    check_target,
    recorded_outputs,
    version_tags,
)
from dagster_project.metadata import check_metadata, version_metadata
from dagster_project.reconcile import FAILURE, KIND, input_versions
from dagster_project.resources import SEVERITY, StageConfig, StageRunner
from dagster_project.shards.failures import ArtifactFailure, as_failure, check_failure
from dagster_project.shards.stage import ShardRun, ShardStage
from p4d.errors import HistoryError, P4DError
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.check_published import check_published
from p4d.versioning.run.run_stage import Materialization

Event: TypeAlias = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def run_shards(
    context: dg.AssetExecutionContext,
    config: StageConfig,
    runner: StageRunner,
    stages: Sequence[ShardStage],
) -> Iterator[Event | dg.Output[None]]:
    """Make and check what the run selected, for each of its shards; yields what Dagster records.

    Args:
        context: of the step; its partitions are the shards.
        config: run config.
        runner: makes artifacts.
        stages: all per-shard stages, in pipeline order.

    Raises:
        dagster.Failure: some shards failed; it names each with its reason.
    """
    runner.mark_process(context)
    steps = _ShardSteps(context, config, runner, stages)
    shards = _shards_of(context)
    for number, shard in enumerate(shards, start=1):
        if len(shards) > 1:
            context.log.info(f"shard {number} of {len(shards)}: {shard}")
        yield from steps.run(shard)
    if steps.failures:
        raise as_failure(steps.failures, len(shards))
    yield from recorded_outputs(context, [each.stage.name for each in stages])


def _shards_of(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions of the run; all of them if it has none, as "Execute all" under Checks has."""
    if context.has_partition_key or context.has_partition_key_range:
        return list(context.partition_keys)
    return list(context.instance.get_dynamic_partitions("shards"))


@dataclass
class _ShardSteps:
    """The selected stages and checks of a run.

    Attributes:
        failures: of all shards so far.
    """

    context: dg.AssetExecutionContext
    config: StageConfig
    runner: StageRunner
    stages: Sequence[ShardStage]
    failures: list[ArtifactFailure] = field(default_factory=list)

    def run(self, shard: str) -> Iterator[Event]:
        """The selected stages and checks of one shard, in order."""
        assets = {key.to_user_string() for key in self.context.selected_asset_keys}
        checked = {key.asset_key.to_user_string() for key in self.context.selected_asset_check_keys}
        stopped: set[str] = set()
        for each in self.stages:
            name = each.stage.name
            if not {name} & (assets | checked):
                continue
            key = ArtifactKey(name, shard)
            if waits_for := sorted(stopped.intersection(each.stage.inputs)):
                stopped.add(name)
                self.context.log.warning(f"{key} waits for {', '.join(waits_for)}")
                continue
            before = len(self.failures)
            try:
                if name in assets:
                    yield self._make(each, key)
                if name in checked:
                    yield from self._check(key)
            except HistoryError as error:  # of the project: no other shard could go on
                raise dg.Failure(description=_text(error), allow_retries=False) from error
            except P4DError as error:
                yield self._failed(key, _text(error))
            except Exception as error:
                self.context.log.error(f"{key}: {_text(error)}", exc_info=error)
                yield self._failed(key, _text(error))
            if len(self.failures) > before:
                stopped.add(name)

    def _make(self, each: ShardStage, key: ArtifactKey) -> dg.AssetMaterialization:
        started = time.monotonic()
        made = each.make(ShardRun(self.context, self.runner, key, force=self.config.force))
        outcome = "unchanged" if made.skipped else "published"
        self.context.log.info(f"{key}: {outcome} {made.md5} in {time.monotonic() - started:.1f} s")
        return self._materialization(made)

    def _materialization(self, made: Materialization) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            asset_key=made.key.stage,
            partition=made.key.shard,
            metadata=version_metadata(self.runner.project, made),
            tags=version_tags(
                self.context.instance,
                data_version=made.data_version,
                code_version=made.code_version,
                inputs=input_versions(made.key.stage, made.upstream),
            ),
        )

    def _check(self, key: ArtifactKey) -> Iterator[dg.AssetCheckEvaluation]:
        """Run the selected checks of a published version; the ledger records them first."""
        asset = dg.AssetKey(key.stage)
        only = [c.name for c in self.context.selected_asset_check_keys if c.asset_key == asset]
        version, results = check_published(
            self.runner.project, key, run_id=self.context.run.run_id, only=only
        )
        target = check_target(self.context.instance, key.stage, key.shard)
        for result in results:
            if not result.passed and result.blocking:
                failure = check_failure(key, result)
                self.failures.append(failure)
                self.context.log.error(failure.text)
            yield self._evaluation(key, version, result, target)

    def _evaluation(
        self,
        key: ArtifactKey,
        version: ArtifactVersion,
        result: CheckResult,
        target: CheckTarget | None,
    ) -> dg.AssetCheckEvaluation:
        gate = next(gate for gate in GATES[key.stage] if gate.name == result.name)
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(key.stage),
            check_name=result.name,
            partition=key.shard,
            passed=result.passed,
            severity=SEVERITY[result.severity],
            description=result.description,
            metadata=check_metadata(version, result.details),
            target_materialization_data=target,
            blocking=gate.blocking,
        )

    def _failed(self, key: ArtifactKey, reason: str) -> dg.AssetObservation:
        """Record a failure, and report it on the page of the partition."""
        failure = ArtifactFailure(artifact=str(key), reason=reason)
        self.failures.append(failure)
        self.context.log.error(failure.text)
        return dg.AssetObservation(
            asset_key=key.stage,
            partition=key.shard,
            description=f"Failed: {reason}",
            metadata={KIND: FAILURE, "run": self.context.run_id},
        )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
