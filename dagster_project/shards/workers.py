"""The worker processes of per-shard stages, which `up` starts before it imports Dagster.

Dagster, torch and Great Expectations take seconds each to import. So each has a process: this one
plans and records, one makes artifacts, one checks them. While a shard is checked the next one is
made. With `workers` in compute.yaml more of them make artifacts; on a cluster none is started.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from p4d.compute.engine import Engine, Job, Result
from p4d.compute.local import Helpers, LocalWorkers
from p4d.compute.settings import read_settings
from p4d.pipeline import Stage
from p4d.progress import Progress
from p4d.project import Project
from p4d.versioning.remote.engine import open_engine

_started: dict[Path, LocalWorkers] = {}
"""By root of a project, what runs of this process use."""


@contextlib.contextmanager
def workers_ahead(project: Project, stages: Iterable[Stage]) -> Iterator[None]:
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
        yield
        return
    helpers = Helpers(
        checkers=settings.checkers,
        makers_prepare=tuple(partial(_load, stage.entry) for stage in per_shard),
        checkers_prepare=tuple(partial(_prepare_gates, stage.name) for stage in per_shard),
    )
    with LocalWorkers(settings, helpers) as workers:
        workers.start()
        _started[project.root] = workers
        try:
            yield
        finally:
            _started.pop(project.root, None)


def open_workers(project: Project) -> Engine:
    """The workers that were started for a project, else what its settings name.

    Raises:
        ConfigError: the settings cannot be read, or name no object store.
        ComputeError: the cluster cannot be reached.
    """
    workers = _started.get(project.root)
    return open_engine(project.root) if workers is None else _Lent(project, workers)


def end_workers(project: Project) -> None:
    """End the workers that were started for a project: what follows has no use for them."""
    if (workers := _started.pop(project.root, None)) is not None:
        workers.close()


class _Lent(Engine):
    """Workers that outlive a run; only one that is stopped ends them."""

    elsewhere = True

    def __init__(self, project: Project, workers: LocalWorkers) -> None:
        self._project, self._workers = project, workers
        self.width = workers.width

    def run(self, job: Job[Result], progress: Progress) -> Result:
        return self._workers.run(job, progress)

    def close(self) -> None:
        end_workers(self._project)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep them for the next run."""


def _load(entry: str) -> None:
    importlib.import_module(entry.partition(":")[0])


def _prepare_gates(stage: str) -> None:
    from p4d.quality.gates import prepare

    prepare(stage)
