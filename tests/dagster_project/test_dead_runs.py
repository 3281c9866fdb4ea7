import os
import signal
import subprocess
import sys
import time

import dagster as dg

from dagster_project.dead_runs import PROCESS_TAG, end_dead_runs, process_identity

KILLED = """
import os, sys, time
import dagster as dg
from dagster_project.dead_runs import PROCESS_TAG, process_identity

@dg.asset(pool="machine")
def slow(context: dg.AssetExecutionContext):
    context.instance.add_run_tags(context.run_id, {PROCESS_TAG: process_identity()})
    open(sys.argv[1], "w").close()
    time.sleep(0 if len(sys.argv) > 2 else 600)

with dg.DagsterInstance.get() as instance:
    from dagster_project.dead_runs import end_dead_runs
    print("ended", len(end_dead_runs(instance)))
    job = dg.Definitions(assets=[slow]).resolve_implicit_global_asset_job_def()
    print("success", job.execute_in_process(instance=instance).success)
"""


def test_a_process_is_distinguished_from_a_later_one_with_its_number():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = process_identity(child.pid)
    assert identity == process_identity(child.pid) != process_identity(os.getpid())
    child.kill()
    child.wait()
    assert process_identity(child.pid) != identity


def test_a_run_killed_inside_a_pool_does_not_hold_up_the_next(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1, granularity: op}}\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    began = tmp_path / "began"
    first = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(began)], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert began.exists()
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.run(
        [sys.executable, "-c", KILLED, str(began), "quick"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "ended 1" in second.stdout
    assert "success True" in second.stdout


def test_a_living_run_is_left_alone():
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            dg.Definitions(jobs=[_nothing]).resolve_job_def("_nothing"),
            status=dg.DagsterRunStatus.STARTED,
            tags={PROCESS_TAG: process_identity()},
        )
        assert end_dead_runs(instance) == []
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED


@dg.job
def _nothing():
    pass
