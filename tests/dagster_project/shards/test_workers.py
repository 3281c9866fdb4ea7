"""Worker processes that `up` started: how long they live, and who runs stages without them."""

import os
from pathlib import Path

import pytest

from dagster_project.shards.workers import ShardWorkers, workers_ahead
from p4d.compute.engine import Engine, Job
from p4d.compute.local import LocalWorkers
from p4d.compute.settings import ComputeSettings
from p4d.pipeline import STAGES, Needs
from p4d.project import Project
from p4d.versioning.state.plan import Batch
from tests.compute import jobs


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def _pid(engine: Engine) -> int:
    job = Job(name="labels@a", needs=Needs(), function=jobs.answer, arguments=(7,))
    return engine.run(job, lambda done, total, note: None)["pid"]


def test_started_workers_run_one_run_after_another(project: Project) -> None:
    with LocalWorkers(ComputeSettings(memory_mib=4096)) as started:
        workers = ShardWorkers(started)
        with workers.engine(project) as first:
            pid = _pid(first)
        with workers.engine(project) as second:
            assert _pid(second) == pid != os.getpid()


@pytest.mark.parametrize("how", ["ended", "a run was stopped"])
def test_without_them_a_run_opens_what_the_settings_name(project: Project, how: str) -> None:
    with LocalWorkers(ComputeSettings(memory_mib=4096)) as started:
        workers = ShardWorkers(started)
        with workers.engine(project) as first:
            pid = _pid(first)
            if how != "ended":
                first.close()
        workers.end()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with workers.engine(project) as second:
            assert _pid(second) == os.getpid()


def test_nothing_is_started_for_stages_without_shards(project: Project) -> None:
    others = tuple(stage.name for stage in STAGES if not stage.per_shard)
    batches = [Batch(shard=None, stages=others)]
    with workers_ahead(project, batches) as workers, workers.engine(project) as engine:
        assert _pid(engine) == os.getpid()
