"""Dagster on a real PostgreSQL server, by one setting."""

import os
import subprocess
import sys
import time

import dagster as dg
import pytest

from benchmarks.cluster.servers import postgres_programs, postgres_server
from dagster_project.dagster_internals import delete_old_reports
from dagster_project.dead_runs import PROCESS_TAG, end_dead_runs, process_identity
from dagster_project.home import POSTGRES, open_instance, prepare_home
from p4d.errors import ConfigError, OrchestrationError
from p4d.project import Project

pytest.importorskip("dagster_postgres")
needs_server = pytest.mark.skipif(
    postgres_programs() is None, reason="no PostgreSQL on this machine"
)
SETTINGS = "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1}}\n"

RUN = """
import sys
import dagster as dg
from pathlib import Path
from dagster_project.home import open_instance
from p4d.project import Project

@dg.asset
def made():
    return dg.MaterializeResult(data_version=dg.DataVersion("md5:" + sys.argv[2]))

with open_instance(Project(Path(sys.argv[1]))) as instance:
    assert dg.materialize([made], instance=instance).success
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "dagster.yaml").write_text(SETTINGS)
    return Project(root)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with postgres_server(tmp_path_factory.mktemp("postgres")) as (running, url):
        yield running, url


@needs_server
def test_one_setting_moves_the_instance_and_back(project, server, monkeypatch):
    _running, url = server
    monkeypatch.setenv(POSTGRES, url)
    # Several people at once: processes of their own on one instance.
    people = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RUN, str(project.root), name],
            stderr=subprocess.PIPE,
        )
        for name in ("ada", "ben")
    ]
    for person in people:
        assert person.wait(timeout=180) == 0, person.stderr.read().decode()[-2000:]
    with open_instance(project) as instance:
        assert "Postgres" in type(instance.event_log_storage).__name__
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
        records = instance.fetch_materializations(dg.AssetKey("made"), limit=5).records
        assert {r.asset_materialization.tags["dagster/data_version"] for r in records} == {
            "md5:ada", "md5:ben",
        }  # fmt: skip
        assert {limit.name for limit in instance.event_log_storage.get_pool_limits()} == {
            "labelling", "training",
        }  # fmt: skip
        _old_reports_are_deleted(instance)
    # The password of the variable is in no file of the home.
    for path in (project.root / ".dagster").rglob("*.yaml"):
        assert url not in path.read_text() and "env: P4D_DAGSTER_POSTGRES_URL" in path.read_text()
    monkeypatch.delenv(POSTGRES)
    with open_instance(project) as instance:
        assert "Sqlite" in type(instance.event_log_storage).__name__
        assert instance.get_runs() == []
    assert (project.root / ".dagster" / "dagster.yaml").is_symlink()


def _old_reports_are_deleted(instance):
    for number in range(3):
        instance.report_runless_asset_event(
            dg.AssetMaterialization("reported", tags={"dagster/data_version": str(number)})
        )
    latest = instance.fetch_materializations(dg.AssetKey("reported"), limit=1).records[0]
    later_s = time.time() + 86400
    assert delete_old_reports(instance, before_s=later_s, keep={latest.storage_id}) == 2
    left = instance.fetch_materializations(dg.AssetKey("reported"), limit=5).records
    assert [record.storage_id for record in left] == [latest.storage_id]


@needs_server
def test_a_killed_server_comes_back_with_every_run(project, tmp_path, monkeypatch):
    with postgres_server(tmp_path / "own") as (running, url):
        monkeypatch.setenv(POSTGRES, url)
        with open_instance(project) as instance:
            instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.SUCCESS)
        running.kill()
        with pytest.raises(OrchestrationError, match="start it, or unset P4D_DAGSTER_POSTGRES_URL"):
            open_instance(project)
        running.start()
        deadline = time.monotonic() + 90
        while True:
            try:
                with open_instance(project) as instance:
                    assert len(instance.get_runs()) == 1
                    return
            except OrchestrationError:  # it reads its journal first
                assert time.monotonic() < deadline
                time.sleep(0.2)


def test_a_password_is_never_in_the_message(project, monkeypatch):
    monkeypatch.setenv(POSTGRES, "postgresql://me:geheim@127.0.0.1:9/p4d")
    with pytest.raises(OrchestrationError, match=r"127\.0\.0\.1:9") as raised:
        open_instance(project)
    assert "geheim" not in str(raised.value)


def test_two_storages_are_refused(project, monkeypatch):
    monkeypatch.setenv(POSTGRES, "postgresql://me@127.0.0.1:9/p4d")
    (project.root / "dagster.yaml").write_text("storage: {sqlite: {base_dir: /tmp}}\n")
    with pytest.raises(ConfigError, match="names a storage"):
        prepare_home(project)


def test_runs_of_another_machine_are_left_to_its_own_daemon():
    here = process_identity()
    pid, _start, host = here.split()
    with dg.DagsterInstance.ephemeral() as instance:
        started = {
            identity: instance.create_run_for_job(
                _job(), status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: identity}
            ).run_id
            for identity in (here, f"{pid} 1 {host}", f"{pid} 1 elsewhere", f"{pid} 1")
        }
        dead = set(end_dead_runs(instance))
        assert dead == {started[f"{pid} 1 {host}"], started[f"{pid} 1"]}
        assert os.getpid() == int(pid)


def _job():
    return dg.Definitions(jobs=[_nothing]).resolve_job_def("_nothing")


@dg.job
def _nothing():
    pass
