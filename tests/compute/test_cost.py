"""What a run cost includes what its workers did, whoever their parent is."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from p4d.compute.cost import Cost

BUSY_S, HELD_BYTES = 0.6, 200 * 2**20


def work(seconds):
    """Use processor time and memory."""
    held = bytearray(os.urandom(1) * HELD_BYTES)
    began = time.process_time()
    while time.process_time() - began < seconds:
        sum(range(1000))
    time.sleep(0.3)  # long enough to be looked at
    return len(held)


def idle(seconds):
    return seconds


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_time_and_memory_of_a_pool_count_after_it_has_ended(method):
    context = multiprocessing.get_context(method)
    costs = []
    for job in (idle, work):
        with Cost() as cost, ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(job, BUSY_S).result()
        costs.append(cost.values)
    idle_cost, busy = costs
    assert busy["cpu_s"] - idle_cost["cpu_s"] > 0.8 * BUSY_S
    assert busy["max_rss_bytes"] - idle_cost["max_rss_bytes"] > 0.8 * HELD_BYTES
    assert busy["step_rss_bytes"] > 0.8 * HELD_BYTES


def test_workers_that_live_on_count_once():
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        with Cost() as first:
            pool.submit(work, BUSY_S).result()
        with Cost() as second:
            time.sleep(0.05)
    assert first.values["cpu_s"] > 0.8 * BUSY_S
    assert second.values["cpu_s"] < 0.5 * BUSY_S


def test_a_finished_subprocess_counts():
    code = f"import time\nwhile time.process_time() < {BUSY_S}: pass"
    with Cost() as cost:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert cost.values["cpu_s"] > 0.8 * BUSY_S
