"""Many items in threads, their events in one."""

import threading

import pytest

from p4d.compute.side_by_side import side_by_side


def never():
    raise AssertionError("nothing to stop")


def test_one_thread_does_one_item_after_another_here():
    seen = []

    def work(item, later):
        later(lambda: seen.append(threading.current_thread()))
        yield f"{item}1"
        yield f"{item}2"

    found = list(side_by_side("ab", work, width=1, stop=never))
    assert found == ["a1", "a2", "b1", "b2"]
    assert set(seen) == {threading.current_thread()}


def test_one_thread_of_its_own_works_while_events_are_recorded():
    recorded = threading.Event()

    def work(item, later):
        yield f"{item}1"
        assert recorded.wait(60)
        yield f"{item}2"

    events = side_by_side("a", work, width=1, stop=never, in_threads=True)
    assert next(events) == "a1"
    recorded.set()
    assert list(events) == ["a2"]


def test_items_run_at_the_same_time_and_each_keeps_its_order():
    barrier, threads = threading.Barrier(3, timeout=60), []

    def work(item, later):
        barrier.wait()
        later(lambda: threads.append(threading.current_thread()))
        for number in range(5):
            yield item, number

    found = list(side_by_side("abc", work, width=3, stop=never))
    for item in "abc":
        assert [number for each, number in found if each == item] == list(range(5))
    assert threads == [threading.current_thread()] * 3


def test_no_more_at_once_than_the_width():
    running, most, lock = set(), [], threading.Lock()

    def work(item, later):
        with lock:
            running.add(item)
            most.append(len(running))
        yield item
        with lock:
            running.discard(item)

    assert sorted(side_by_side(range(50), work, width=2, stop=never)) == list(range(50))
    assert max(most) <= 2


def test_an_error_stops_the_others_and_is_raised_here():
    stopped = threading.Event()

    def work(item, later):
        if item == "bad":
            raise ValueError("bad item")
        stopped.wait(60)
        yield item

    with pytest.raises(ValueError, match="bad item"):
        list(side_by_side(["good", "bad", "late"], work, width=2, stop=stopped.set))
    assert stopped.is_set()


def test_leaving_early_stops_what_is_under_way():
    stopped = threading.Event()

    def work(item, later):
        yield item
        stopped.wait(60)

    events = side_by_side(range(10), work, width=2, stop=stopped.set)
    next(events)
    events.close()
    assert stopped.is_set()
