"""Jobs run side by side while their results are asked for one after another."""

import os
import time
from contextlib import closing

import pytest

from p4d.compute.ahead import Ahead
from p4d.compute.engine import Job
from p4d.compute.local import LocalWorkers
from p4d.compute.settings import ComputeSettings
from p4d.errors import PublishError
from p4d.pipeline import Needs
from tests.compute import jobs


def job(name, function, *arguments):
    return Job(name=name, needs=Needs(), function=function, arguments=arguments)


def two_workers():
    return LocalWorkers(ComputeSettings(workers=2, cores=2, memory_mib=4096))


def ignore(name, done, total, note):
    pass


def test_jobs_run_side_by_side_and_tell_their_progress_to_who_waits(tmp_path):
    seen = []
    with closing(Ahead(two_workers())) as ahead:
        for name, other in (("a", "b"), ("b", "a")):  # each ends only if the other runs as well
            ahead.start(job(name, jobs.meet, str(tmp_path), name, [other]))
        ahead.start(job("c", jobs.answer, 7))
        assert all(ahead.has(name) for name in "abc")
        pids = {ahead.result(name, lambda *given: seen.append(given)) for name in "ab"}
        assert len(pids) == 2 and os.getpid() not in pids
        assert ahead.result("c", lambda *given: seen.append(given))["value"] == 7
    assert [given for given in seen if given[0] == "c"] == [
        ("c", 1, 2, "half"),
        ("c", 2, 2, "whole"),
    ]


def test_a_job_is_run_once_and_its_result_taken_once(tmp_path):
    mark = tmp_path / "mark"
    with closing(Ahead(two_workers())) as ahead:
        ahead.start(job("a", jobs.meet, str(tmp_path), "mark", []))
        ahead.result("a", ignore)
        assert not ahead.has("a")
        mark.unlink()
        ahead.start(job("a", jobs.meet, str(tmp_path), "mark", []))
        assert not ahead.has("a")
    assert not mark.exists()


def test_an_error_is_raised_where_the_result_is_asked_for():
    with closing(Ahead(two_workers())) as ahead:
        ahead.start(job("bad", jobs.fail, "ours"))
        ahead.start(job("good", jobs.answer, 1))
        assert ahead.result("good", ignore)["value"] == 1
        with pytest.raises(PublishError, match="the store is damaged"):
            ahead.result("bad", ignore)


def test_closing_ends_what_runs_and_starts_nothing_more(tmp_path):
    ahead = Ahead(two_workers())
    for name in "abc":
        ahead.start(job(name, jobs.sleep_for_ever, str(tmp_path / name)))
    deadline = time.monotonic() + 60
    while not ((tmp_path / "a").exists() and (tmp_path / "b").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ahead.close()
    assert not (tmp_path / "c").exists()
    for name in "ab":
        pid = int((tmp_path / name).read_text() or 0)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
