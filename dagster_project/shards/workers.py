"""The worker processes of per-shard stages, which `up` starts before it imports Dagster.

Dagster, torch and Great Expectations take seconds each to import. So each has a process: this one
plans and records, one makes artifacts, one checks them. While a shard is checked the next one is
made. With `workers` in compute.yaml more of them make artifacts; on a cluster none is started.

They begin with the first shards while Dagster is imported, under the id of the run that is about to
record them. If that run never comes, what they published is reported from the ledger.
"""

from __future__ import annotations

import contextlib
import importlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from dagster_project.run_plan import PlannedRun, runs_of
from dagster_project.todo import is_run_open
from p4d.compute.begun import BegunJobs, Chain
from p4d.compute.engine import Engine, Job, Result
from p4d.compute.local import Helpers, LocalWorkers
from p4d.compute.settings import read_settings
from p4d.progress import Progress
from p4d.project import Project
from p4d.quality.gates import GATES
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.remote.engine import open_engine
from p4d.versioning.run.jobs import check_job, make_job
from p4d.versioning.state.plan import Batch


@dataclass(frozen=True)
class BegunRun:
    """A run whose artifacts are made before Dagster has it.

    Attributes:
        planned: what it makes.
        run_id: its id, on the ledger already.
    """

    planned: PlannedRun
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class ShardWorkers:
    """What the runs of a process give per-shard stages to; the resource `shard_workers`.

    Workers that `up` started outlive a run, and only one that is stopped ends them. Without them,
    as in a run that the UI starts, each run opens the engine that its project's settings name.
    """

    def __init__(self, started: Engine | None = None, begun: BegunRun | None = None) -> None:
        """Lend workers that are started already, and maybe have begun a run."""
        self._started, self._begun = started, begun

    def run_id_of(self, planned: PlannedRun) -> str | None:
        """The id of the run that was begun; None for any other one."""
        if self._begun is None or self._begun.planned != planned:
            return None
        return self._begun.run_id

    def engine(self, project: Project) -> Engine:
        """The engine of one run, which closes it.

        Raises:
            ConfigError: the settings cannot be read, or name no object store.
            ComputeError: the cluster cannot be reached.
        """
        return (
            open_engine(project.root) if self._started is None else _Lent(self._started, self.end)
        )

    def end(self) -> None:
        """End the workers that were started: what follows has no use for them."""
        if self._started is not None:
            self._started.close()
            self._started = None


class _Lent(Engine):
    """Workers for one run, which leaves them to the next one."""

    elsewhere = True

    def __init__(self, workers: Engine, end: Callable[[], None]) -> None:
        self._workers, self._end = workers, end
        self.width = workers.width

    def run(self, job: Job[Result], progress: Progress) -> Result:
        return self._workers.run(job, progress)

    def close(self) -> None:
        """End them: the run was stopped. The next one opens an engine of its own."""
        self._end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep them for the next run."""


@contextlib.contextmanager
def workers_ahead(project: Project, batches: Sequence[Batch]) -> Iterator[ShardWorkers]:
    """Start the workers of a project for the block, unless there is nothing for them to do.

    They begin with the first run, unless it needs what has no shards, or another run is open.

    Args:
        project: whose settings say how many.
        batches: what is about to run, in order.
    """
    settings = read_settings(project.root)
    wanted = {name for batch in batches for name in batch.stages}
    per_shard = [each for each in project.stages if each.per_shard and each.name in wanted]
    one_process = settings.workers == 1 and not settings.devices and not settings.checkers
    if not per_shard or settings.engine != "local" or one_process:
        yield ShardWorkers()
        return
    helpers = Helpers(
        checkers=settings.checkers,
        makers_prepare=tuple(partial(_load, stage.entry) for stage in per_shard),
        checkers_prepare=tuple(partial(_prepare_gates, stage.name) for stage in per_shard),
    )
    with LocalWorkers(settings, helpers) as started:
        started.start()
        workers, begun = BegunJobs(started), None
        first = runs_of(batches, project.shards())[0]
        if first.shards and not is_run_open(project):
            begun = BegunRun(first)
            workers.begin(_chain(project, begun, shard) for shard in first.shards)
        yield ShardWorkers(workers, begun)


def _chain(project: Project, begun: BegunRun, shard: str) -> Chain:
    """The jobs of one shard of a run, as `run_shards` asks for them, up to what blocks the rest."""
    for stage in begun.planned.stages:
        key = ArtifactKey(stage, shard)
        yield make_job(project, key, run_id=begun.run_id)
        if stage in GATES:
            _, results = yield check_job(project, key, run_id=begun.run_id)
            if any(result.blocking and not result.passed for result in results):
                return


def _load(entry: str) -> None:
    importlib.import_module(entry.partition(":")[0])


def _prepare_gates(stage: str) -> None:
    from p4d.quality.gates import prepare

    prepare(stage)
