"""Jobs that run before the one who asks for them is ready."""

import threading
import time

import pytest

from p4d.compute.begun import BegunJobs
from p4d.compute.engine import Engine, Job
from p4d.errors import PublishError
from p4d.pipeline import Needs


def job(name, function, *arguments):
    return Job(name=name, needs=Needs(), function=function, arguments=arguments)


class Here(Engine):
    """Two at once, in the threads of the callers; notes what it ran."""

    width = 2

    def __init__(self):
        self.ran, self.closed = [], False

    def run(self, job, progress):
        self.ran.append((job.name, threading.current_thread()))
        return job.function(*job.arguments, progress=progress)

    def close(self):
        self.closed = True


def double(number, *, progress):
    progress(1, 1, f"doubled {number}")
    return 2 * number


def refuse(*, progress):
    raise PublishError("an input was edited")


def ignore(done, total, note):
    pass


def doublings(first, given):
    given.append((yield job(f"{first}", double, first)))
    given.append((yield job(f"{first} again", double, given[-1])))


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_that_was_begun_gives_its_result_and_its_progress_to_the_one_who_asks():
    engine, given, seen = Here(), [], []
    begun = BegunJobs(engine)
    begun.begin([doublings(3, given)])
    until(lambda: len(given) == 2)
    assert begun.run(job("3", double, 3), lambda *step: seen.append(step)) == 6
    assert begun.run(job("3 again", double, 6), lambda *step: seen.append(step)) == 12
    assert [name for name, _ in engine.ran] == ["3", "3 again"]
    assert threading.current_thread() not in [thread for _, thread in engine.ran]
    assert seen == [(1, 1, "doubled 3"), (1, 1, "doubled 6")]


def test_once_somebody_asks_no_other_job_is_begun():
    engine, gate, given = Here(), threading.Event(), []

    def wait(*, progress):
        assert gate.wait(30)
        return "waited"

    def chain():
        given.append((yield job("long", wait)))
        yield job("never", double, 1)

    begun = BegunJobs(engine)
    begun.begin([chain() if n == 0 else doublings(n, given) for n in range(9)])
    until(lambda: "8 again" in [name for name, _ in engine.ran])
    asked = threading.Thread(target=lambda: given.append(begun.run(job("long", wait), ignore)))
    asked.start()
    until(lambda: begun._asked)
    gate.set()
    asked.join(30)
    assert given[-1] == "waited"
    time.sleep(0.05)
    assert "never" not in [name for name, _ in engine.ran]


def test_an_error_ends_its_chain_and_is_raised_to_the_one_who_asks():
    engine = Here()

    def chain():
        yield job("bad", refuse)
        yield job("never", double, 1)

    begun = BegunJobs(engine)
    begun.begin([chain(), doublings(1, [])])
    until(lambda: len(engine.ran) == 3)
    with pytest.raises(PublishError, match="an input was edited"):
        begun.run(job("bad", refuse), ignore)
    assert "never" not in [name for name, _ in engine.ran]


def test_a_job_with_other_arguments_runs_when_the_begun_one_has_ended():
    engine, given = Here(), []
    begun = BegunJobs(engine)
    begun.begin([doublings(3, given)])
    until(lambda: len(given) == 2)
    assert begun.run(job("3", double, 5), ignore) == 10
    assert [name for name, _ in engine.ran] == ["3", "3 again", "3"]


def test_closing_begins_nothing_more_and_closes_the_engine():
    engine = Here()
    begun = BegunJobs(engine)
    begun.close()
    begun.begin([doublings(3, [])])
    time.sleep(0.05)
    assert engine.closed
    assert engine.ran == []
