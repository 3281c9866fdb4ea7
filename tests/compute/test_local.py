"""Worker processes: results, progress, errors, deaths, and the end."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from p4d.compute.engine import Job
from p4d.compute.local import Helpers, LocalWorkers
from p4d.compute.settings import ComputeSettings
from p4d.errors import ComputeError, PublishError
from p4d.pipeline import Needs
from tests.compute import jobs


def job(function, *arguments, **needs):
    return Job(name="labels@a", needs=Needs(**needs), function=function, arguments=arguments)


def ignore(done, total, note):
    pass


@pytest.fixture(scope="module")
def two():
    with LocalWorkers(ComputeSettings(workers=2, cores=2, memory_mib=4096)) as engine:
        yield engine


def test_a_job_gives_its_result_and_its_progress(two):
    seen = []
    result = two.run(job(jobs.answer, 7), lambda *given: seen.append(given))
    assert result["value"] == 7
    assert result["pid"] != os.getpid()
    assert result["device"] is None
    assert seen == [(1, 2, "half"), (2, 2, "whole")]


def test_threads_of_workers_do_not_wait_by_spinning(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with LocalWorkers(ComputeSettings(workers=1, cores=2, memory_mib=4096)) as engine:
        assert engine.run(job(jobs.answer, 7), ignore)["waits"] == "PASSIVE"


def test_an_error_of_a_job_is_raised_here_with_where_it_happened(two):
    with pytest.raises(PublishError, match="the store is damaged") as found:
        two.run(job(jobs.fail, "ours"), ignore)
    assert "in fail" in found.value.__notes__[0]
    with pytest.raises(ValueError, match="no such thing"):
        two.run(job(jobs.fail, "other"), ignore)
    with pytest.raises(ComputeError, match="UnpicklableError: a and b"):
        two.run(job(jobs.fail, "unpicklable"), ignore)
    with pytest.raises((ComputeError, AttributeError), match="lambda"):
        two.run(job(jobs.unsendable), ignore)


def test_a_worker_that_dies_costs_its_job_alone(two):
    with pytest.raises(ComputeError, match=r"labels@a: its worker process was ended by SIGKILL"):
        two.run(job(jobs.die), ignore)
    assert [two.run(job(jobs.answer, n), ignore)["value"] for n in range(3)] == [0, 1, 2]


def test_two_jobs_run_at_the_same_time_in_two_processes(two, tmp_path):
    names = ["a", "b"]
    with ThreadPoolExecutor(2) as threads:
        found = [
            threads.submit(two.run, job(jobs.meet, str(tmp_path), name, names), ignore)
            for name in names
        ]
        pids = {each.result() for each in found}
    assert len(pids) == 2


def test_closing_ends_a_worker_at_work_and_starts_no_job(tmp_path):
    engine, mark = LocalWorkers(ComputeSettings(workers=2, cores=1, memory_mib=999)), tmp_path / "m"
    raised = []

    def run(function, *arguments):
        try:
            engine.run(job(function, *arguments), ignore)
        except ComputeError as error:
            raised.append(str(error))

    first = threading.Thread(target=run, args=(jobs.sleep_for_ever, str(mark)))
    first.start()
    until(lambda: mark.exists() and mark.read_text())
    second = threading.Thread(target=run, args=(jobs.answer, 1))  # one core: it waits
    second.start()
    engine.close()
    first.join(30)
    second.join(30)
    assert sorted(raised) == [
        "labels@a was not started: the run was stopped",
        "labels@a: its worker process was ended by SIGTERM; nothing is torn, run it again",
    ]
    until(lambda: not Path(f"/proc/{mark.read_text()}").exists())


def test_each_worker_has_one_device(tmp_path):
    settings = ComputeSettings(workers=1, cores=4, memory_mib=9999, devices=("3", "5"))
    with LocalWorkers(settings) as engine:
        assert engine.width == 4
        with ThreadPoolExecutor(2) as threads:
            meet = [
                threads.submit(engine.run, job(jobs.meet, str(tmp_path), n, ["a", "b"]), ignore)
                for n in ("a", "b")
            ]
            assert len({each.result() for each in meet}) == 2
        assert engine.run(job(jobs.answer, 1, gpu=True), ignore)["device"] in ("3", "5")


def check(function, *arguments):
    return Job(
        name="checks of labels@a", needs=Needs(), function=function, arguments=arguments,
        checks=True,
    )  # fmt: skip


def test_an_artifact_is_made_while_another_is_checked(tmp_path):
    with LocalWorkers(ComputeSettings(workers=1, cores=1, memory_mib=999), Helpers()) as engine:
        assert engine.width == 4
        with ThreadPoolExecutor(2) as threads:
            meet = (str(tmp_path), "made", ["made", "checked"])
            made = threads.submit(engine.run, job(jobs.meet, *meet), ignore)
            meet = (str(tmp_path), "checked", ["made", "checked"])
            checked = threads.submit(engine.run, check(jobs.meet, *meet), ignore)
            assert made.result() != checked.result()


def both(engine, folder, first, second):
    """Results of two jobs, given one after the other; an error in place of a result."""

    def run(job):
        try:
            return engine.run(job, ignore)
        except ComputeError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        made = threads.submit(run, first)
        until((folder / "a computes").exists)
        later = threads.submit(run, second)
        return [made.result(), later.result()]


def one_worker():
    return LocalWorkers(ComputeSettings(workers=1, cores=1, memory_mib=999))


def test_a_worker_computes_while_it_publishes_what_it_computed_before(tmp_path):
    first = partial(jobs.make, behind=["b computes"])
    second = partial(jobs.make, before=["a publishes"])
    with one_worker() as engine:
        made, later = both(
            engine, tmp_path, job(first, str(tmp_path), "a"), job(second, str(tmp_path), "b")
        )
    assert made["pid"] == later["pid"] != os.getpid()


def test_a_worker_computes_one_stage_at_a_time_in_its_main_thread(tmp_path):
    with one_worker() as engine:
        found = both(engine, tmp_path, *[job(jobs.make, str(tmp_path), n) for n in "ab"])
    assert [each["in main thread"] for each in found] == [1, 1]


def test_what_is_published_meanwhile_is_no_cost_of_what_is_computed(tmp_path):
    busy_s = 0.4
    first = partial(jobs.make_busily, behind=["b computes"])
    second = partial(jobs.make, before=["a was busy"])
    with one_worker() as engine:
        _, later = both(
            engine,
            tmp_path,
            job(first, str(tmp_path), "a", busy_s),
            job(second, str(tmp_path), "b"),
        )
    assert later["cost"]["cpu_s"] < 0.5 * busy_s


def test_a_worker_that_dies_costs_both_of_its_jobs_and_no_other(tmp_path):
    first = partial(jobs.make_and_die, behind=["b computes"])
    second = partial(jobs.make, before=["never"])
    with one_worker() as engine:
        found = both(
            engine, tmp_path, job(first, str(tmp_path), "a"), job(second, str(tmp_path), "b")
        )
        assert all("its worker process was ended by SIGKILL" in str(each) for each in found)
        assert engine.run(job(jobs.answer, 7), ignore)["value"] == 7


def test_without_helpers_a_check_takes_the_seat_of_an_artifact():
    with LocalWorkers(ComputeSettings(workers=1, cores=1, memory_mib=999)) as engine:
        made = engine.run(job(jobs.answer, 1), ignore)["pid"]
        assert engine.run(check(jobs.answer, 1), ignore)["pid"] == made


def test_workers_prepare_until_their_first_job_and_one_that_cannot_still_works(tmp_path):
    last = [partial(jobs.prepare_last, str(tmp_path), who) for who in ("maker", "checker")]
    helpers = Helpers(
        makers_prepare=(jobs.prepare_first, jobs.prepare_fails, last[0]),
        checkers_prepare=(last[1],),
    )
    with LocalWorkers(ComputeSettings(workers=1, cores=1, memory_mib=999), helpers) as engine:
        engine.start()
        until_s = time.monotonic() + 60
        while not all((tmp_path / who).exists() for who in ("maker", "checker")):
            assert time.monotonic() < until_s
            time.sleep(0.05)
        maker, prepared = engine.run(job(jobs.what_is_prepared), ignore)
        assert prepared == ["first", "last"]
        checker, prepared = engine.run(check(jobs.what_is_prepared), ignore)
        assert prepared == ["last"]
        assert len({maker, checker, os.getpid()}) == 3


def test_an_idle_worker_ends_by_itself_and_takes_its_own_processes_along():
    engine = LocalWorkers(ComputeSettings(workers=1, cores=1, memory_mib=999))
    pid = engine.run(job(jobs.answer, 1), ignore)["pid"]
    engine.close()
    assert not Path(f"/proc/{pid}").exists()
    assert [worker._process.exitcode for worker in engine._workers.values()] == [0]


HOLDER = """
import sys
from p4d.compute.engine import Job
from p4d.compute.local import LocalWorkers
from p4d.compute.settings import ComputeSettings
from p4d.pipeline import Needs
from tests.compute import jobs

if __name__ == "__main__":
    LocalWorkers(ComputeSettings(workers=2, cores=2, memory_mib=4096)).run(
        Job(name="a", needs=Needs(), function=jobs.sleep_for_ever, arguments=(sys.argv[1],)),
        lambda done, total, note: None,
    )
"""


def test_a_worker_ends_with_the_process_that_started_it(tmp_path):
    script, mark = tmp_path / "holder.py", tmp_path / "mark"
    script.write_text(HOLDER)
    path = str(Path(__file__).parents[2])
    holder = subprocess.Popen(
        [sys.executable, str(script), str(mark)],
        env={**os.environ, "PYTHONPATH": path},
    )
    until(lambda: mark.exists() and mark.read_text())
    worker = int(mark.read_text())
    assert Path(f"/proc/{worker}").exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    until(lambda: not Path(f"/proc/{worker}").exists())


def until(condition, wait_s=60.0):
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
