"""The worker processes of per-shard stages, which `up` starts before it imports Dagster.

Dagster, torch and Great Expectations take seconds each to import. So each has a process: this one
plans and records, one makes artifacts, one checks them. While a shard is checked the next one is
made. With `workers` in compute.yaml more of them make artifacts; on a cluster none is started.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType

from p4d.compute.engine import Engine, Job, Result
from p4d.compute.local import Helpers, LocalWorkers
from p4d.compute.settings import read_settings
from p4d.pipeline import Stage
from p4d.progress import Progress
from p4d.project import Project
from p4d.versioning.remote.engine import open_engine


class ShardWorkers:
    """What the runs of a process give per-shard stages to; the resource `shard_workers`.

    Workers that `up` started outlive a run, and only one that is stopped ends them. Without them,
    as in a run that the UI starts, each run opens the engine that its project's settings name.
    """

    def __init__(self, started: LocalWorkers | None = None) -> None:
        """Lend workers that are started already."""
        self._started = started

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

    def __init__(self, workers: LocalWorkers, end: Callable[[], None]) -> None:
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
def workers_ahead(project: Project, stages: Iterable[Stage]) -> Iterator[ShardWorkers]:
    """Start the workers of a project for the block, unless there is nothing for them to do.

    Args:
        project: whose settings say how many.
        stages: that are about to run.
    """
    settings = read_settings(project.root)
    order = list(project.by_name)
    per_shard = sorted(
        (stage for stage in stages if stage.per_shard), key=lambda stage: order.index(stage.name)
    )
    one_process = settings.workers == 1 and not settings.devices and not settings.checkers
    if not per_shard or settings.engine != "local" or one_process:
        yield ShardWorkers()
        return
    helpers = Helpers(
        checkers=settings.checkers,
        makers_prepare=tuple(partial(_load, stage.entry) for stage in per_shard),
        checkers_prepare=tuple(partial(_prepare_gates, stage.name) for stage in per_shard),
    )
    with LocalWorkers(settings, helpers) as workers:
        workers.start()
        yield ShardWorkers(workers)


def _load(entry: str) -> None:
    importlib.import_module(entry.partition(":")[0])


def _prepare_gates(stage: str) -> None:
    from p4d.quality.gates import prepare

    prepare(stage)
