"""Runs the per-shard stages for the shards of a run, side by side, each on its own.

As many shards are made at once as `compute.yaml` allows. Each has a thread, which gives artifacts
and checks to the engine, one after another. What Dagster records of them, and every line of the
log, is written in the thread of the step.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import dagster as dg

from dagster_project.dagster_internals import recorded_outputs, version_tags
from dagster_project.gates_check import shard_evaluations
from dagster_project.metadata import version_metadata
from dagster_project.reconcile import FAILURE, KIND, input_versions
from dagster_project.resources import StageConfig, StageRunner
from dagster_project.shards.failures import ArtifactFailure, as_failure, check_failure
from dagster_project.shards.stage import ShardRun, ShardStage
from dagster_project.shards.workers import ShardWorkers
from p4d.compute.engine import Engine
from p4d.compute.side_by_side import Later, side_by_side
from p4d.errors import HistoryError, P4DError
from p4d.progress import Pace
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.jobs import check_job
from p4d.versioning.run.run_stage import Materialization

Event: TypeAlias = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


def run_shards(
    context: dg.AssetExecutionContext,
    config: StageConfig,
    runner: StageRunner,
    workers: ShardWorkers,
    stages: Sequence[ShardStage],
) -> Iterator[Event | dg.Output[None]]:
    """Make and check what the run selected, for each of its shards; yields what Dagster records.

    Args:
        context: of the step; its partitions are the shards.
        config: run config.
        runner: makes artifacts.
        workers: in which processes.
        stages: all per-shard stages, in pipeline order.

    Raises:
        dagster.Failure: some shards failed; it names each with its reason.
    """
    runner.mark_process(context)
    shards = _shards_of(context)
    recorder = _Recorder(context, runner, len(shards))
    with workers.engine(runner.project) as engine:
        work = _ShardWork(
            context=context,
            config=config,
            runner=runner,
            stages=stages,
            engine=engine,
            assets={key.to_user_string() for key in context.selected_asset_keys},
            checks=_by_asset(context.selected_asset_check_keys),
        )
        width = max(1, min(engine.width, len(shards)))
        outcomes = side_by_side(
            shards, work.run, width=width, stop=engine.close, in_threads=engine.elsewhere
        )
        for outcome in outcomes:
            yield from recorder.events(outcome)
    if recorder.failures:
        raise as_failure(recorder.failures, len(shards))
    yield from recorded_outputs(context, [each.stage.name for each in stages])


def _shards_of(context: dg.AssetExecutionContext) -> list[str]:
    """The partitions of the run; all of them if it has none, as "Execute all" under Checks has."""
    if context.has_partition_key or context.has_partition_key_range:
        return list(context.partition_keys)
    return list(context.instance.get_dynamic_partitions("shards"))


def _by_asset(checks: Iterable[dg.AssetCheckKey]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for check in checks:
        found.setdefault(check.asset_key.to_user_string(), set()).add(check.name)
    return found


@dataclass(frozen=True)
class _Began:
    shard: str


@dataclass(frozen=True)
class _Ended:
    shard: str


@dataclass(frozen=True)
class _Waits:
    key: ArtifactKey
    for_stages: tuple[str, ...]


@dataclass(frozen=True)
class _Made:
    made: Materialization

    @property
    def version(self) -> ArtifactVersion:
        return self.made.version


@dataclass(frozen=True)
class _Checked:
    version: ArtifactVersion
    results: Sequence[CheckResult]
    checks: Collection[str]


@dataclass(frozen=True)
class _Failed:
    key: ArtifactKey
    error: Exception


Outcome: TypeAlias = _Began | _Ended | _Waits | _Made | _Checked | _Failed


@dataclass(frozen=True, kw_only=True)
class _ShardWork:
    """The selected stages and checks of a run; `run` does them for one shard, in any thread.

    Attributes:
        assets: names of the selected assets.
        checks: by asset, names of its checks that are selected.
    """

    context: dg.AssetExecutionContext
    config: StageConfig
    runner: StageRunner
    stages: Sequence[ShardStage]
    engine: Engine
    assets: Collection[str]
    checks: Mapping[str, Collection[str]]

    def run(self, shard: str, later: Later) -> Iterator[Outcome]:
        """The selected stages and checks of one shard, in order."""
        yield _Began(shard)
        stopped: set[str] = set()
        for each in self.stages:
            name = each.stage.name
            if name not in self.assets and name not in self.checks:
                continue
            key = ArtifactKey(name, shard)
            if waits_for := sorted(stopped.intersection(each.stage.inputs)):
                stopped.add(name)
                yield _Waits(key, tuple(waits_for))
                continue
            try:
                if name in self.assets:
                    yield self._make(each, key, later)
                if name in self.checks:
                    checked = self._check(key)
                    if any(result.blocking and not result.passed for result in checked.results):
                        stopped.add(name)
                    yield checked
            except HistoryError as error:  # of the project: no other shard could go on
                raise dg.Failure(description=_text(error), allow_retries=False) from error
            except Exception as error:  # noqa: BLE001 - recorded; a shard stops itself alone
                stopped.add(name)
                yield _Failed(key, error)
        yield _Ended(shard)

    def _make(self, each: ShardStage, key: ArtifactKey, later: Later) -> _Made:
        return _Made(
            each.make(
                ShardRun(
                    self.context,
                    self.runner,
                    key,
                    self.config.force,
                    engine=self.engine,
                    later=later,
                )
            )
        )

    def _check(self, key: ArtifactKey) -> _Checked:
        """Run the gates of a published version; the ledger records them first."""
        job = check_job(self.runner.project, key, run_id=self.context.run_id)
        version, results = self.engine.run(job, lambda done, total, note: None)
        return _Checked(version, results, self.checks[key.stage])


@dataclass
class _Recorder:
    """Turns outcomes into events of Dagster, in the thread of the step.

    Attributes:
        failures: of all shards so far.
    """

    context: dg.AssetExecutionContext
    runner: StageRunner
    shards: int
    failures: list[ArtifactFailure] = field(default_factory=list)
    _begun: int = 0
    _ended: int = 0
    _pace: Pace = field(default_factory=Pace)

    def events(self, outcome: Outcome) -> Iterator[Event]:
        """What Dagster records of an outcome; what cannot be shown is a failure of its shard."""
        try:
            yield from self._events(outcome)
        except Exception as error:
            if not isinstance(outcome, _Made | _Checked):
                raise
            yield self._failed(outcome.version.key, error)

    def _events(self, outcome: Outcome) -> Iterator[Event]:
        match outcome:
            case _Began(shard):
                self._begin(shard)
            case _Ended(shard):
                self._end(shard)
            case _Waits(key, for_stages):
                self.context.log.warning(f"{key} waits for {', '.join(for_stages)}")
            case _Made(made):
                # The step may have waited for less: what was begun ahead was made before.
                how = "unchanged" if made.skipped else f"made in {made.cost['wall_s']:.1f} s"
                self.context.log.info(f"{made.key}: {made.md5}, {how}")
                yield self._materialization(made)
            case _Checked():
                yield from self._evaluations(outcome)
            case _Failed(key, error):
                yield self._failed(key, error)

    def _begin(self, shard: str) -> None:
        if self._begun == 0:
            self._pace.left(0, self.shards, time.monotonic())
        self._begun += 1
        if self.shards > 1:
            self.context.log.info(f"shard {self._begun} of {self.shards}: {shard}")

    def _end(self, shard: str) -> None:
        self._ended += 1
        if self.shards > 1:
            left = self._pace.left(self._ended, self.shards, time.monotonic())
            self.runner.tell(
                self.context,
                f"{self._ended} of {self.shards} shards done: {shard}" + (f"; {left}" * bool(left)),
            )

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

    def _evaluations(self, checked: _Checked) -> Iterator[dg.AssetCheckEvaluation]:
        key = checked.version.key
        for result in checked.results:
            if not result.passed and result.blocking:
                failure = check_failure(key, result)
                self.failures.append(failure)
                self.context.log.error(failure.text)
        for event in shard_evaluations(self.context.instance, checked.version, checked.results):
            if event.check_name in checked.checks:
                yield event

    def _failed(self, key: ArtifactKey, error: Exception) -> dg.AssetObservation:
        """Record a failure, and report it on the page of the partition."""
        reason = _text(error)
        if not isinstance(error, P4DError):
            self.context.log.error(f"{key}: {reason}", exc_info=error)
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
