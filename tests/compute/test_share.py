"""Cores, memory and devices are given to as many jobs as fit, and no more."""

import threading
import time

from p4d.compute.share import Shares
from p4d.pipeline import Needs


class Holder:
    """A job that keeps its seat until it is let go."""

    def __init__(self, shares, **needs):
        self.seat, self._go = None, threading.Event()
        self._got = threading.Event()

        def hold():
            with shares.seat(Needs(**needs)) as seat:
                self.seat = seat
                self._got.set()
                self._go.wait(60)

        self.thread = threading.Thread(target=hold, daemon=True)
        self.thread.start()

    def has_seat(self, wait_s=0.05):
        return self._got.wait(wait_s)

    def let_go(self):
        self._go.set()
        self.thread.join(60)


def test_as_many_as_cores_allow():
    shares = Shares(cores=3, memory_mib=10_000, devices=["", "", "", ""])
    first, second = Holder(shares, cores=2), Holder(shares, cores=1)
    assert first.has_seat(60)
    assert second.has_seat(60)
    third = Holder(shares, cores=1)
    assert not third.has_seat()
    first.let_go()
    assert third.has_seat(60)
    assert len({second.seat.number, third.seat.number}) == 2


def test_as_many_as_memory_allows():
    shares = Shares(cores=8, memory_mib=3_000, devices=["", "", ""])
    first = Holder(shares, memory_mib=2_000)
    assert first.has_seat(60)
    second = Holder(shares, memory_mib=2_000)
    assert not second.has_seat()
    first.let_go()
    assert second.has_seat(60)


def test_a_job_that_is_too_large_for_the_machine_runs_alone():
    shares = Shares(cores=2, memory_mib=1_000, devices=["", ""])
    small = Holder(shares, memory_mib=100)
    assert small.has_seat(60)
    large = Holder(shares, cores=64, memory_mib=99_000)
    assert not large.has_seat()
    late = Holder(shares, memory_mib=100)
    time.sleep(0.05)
    assert not late.has_seat()  # it may not pass the large one by
    small.let_go()
    assert large.has_seat(60)
    assert not late.has_seat()
    large.let_go()
    assert late.has_seat(60)


def test_a_job_with_a_gpu_gets_a_seat_with_one_and_leaves_the_others():
    shares = Shares(cores=8, memory_mib=9_999, devices=["0", ""])
    plain = Holder(shares)
    assert plain.has_seat(60)
    assert plain.seat.device == ""
    first = Holder(shares, gpu=True)
    assert first.has_seat(60)
    assert first.seat.device == "0"
    second = Holder(shares, gpu=True)
    assert not second.has_seat()
    plain.let_go()
    other = Holder(shares)  # passes the one that waits for the GPU
    assert other.has_seat(60)
    first.let_go()
    assert second.has_seat(60)


def test_without_gpus_a_job_that_would_use_one_runs_on_a_processor():
    shares = Shares(cores=1, memory_mib=9_999, devices=[""])
    only = Holder(shares, gpu=True)
    assert only.has_seat(60)
    assert only.seat.device == ""


def test_closing_lets_everyone_go_without_a_seat():
    shares = Shares(cores=1, memory_mib=10, devices=[""])
    first = Holder(shares)
    assert first.has_seat(60)
    second = Holder(shares)
    assert not second.has_seat()
    shares.close()
    assert second.has_seat(60)
    assert second.seat is None
