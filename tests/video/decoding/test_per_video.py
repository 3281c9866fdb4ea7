"""Work per video: order is kept, and whatever a file does costs one row."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from p4d.errors import ContractError, DecodeError
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video

BUDGET = ProcessBudget(max_cpu_s=60.0, max_memory_bytes=2**28)


def work(job):
    if job == "deadly":
        os.abort()
    if job == "nameless":
        return int("x" * 5000)
    if job == "damaged":
        raise DecodeError("bytes \x1b[31mred\nforged: \ud800")
    if job == "large":
        return len(np.ones(2**27))  # 1 GiB
    if job == "slow":
        while True:
            time.process_time()
    if job == "hung":  # one call that runs no Python code for minutes
        return hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    if job == "declared":
        raise ContractError("a path of the manifest leads out of the inbox")
    if job == "full":
        raise OSError(28, "No space left on device")
    return f"{job} done"


def test_order_is_kept_and_every_fault_is_a_row_with_its_reason():
    jobs = ["a", "b", "deadly", "c", "nameless", "damaged", "large", "d"]
    results = list(per_video(work, jobs, BUDGET))
    faults = {job: each for job, each in zip(jobs, results, strict=True) if job not in "abcd"}
    assert [each for each in results if isinstance(each, str)] == [f"{x} done" for x in "abcd"]
    assert all(isinstance(each, FileFault) for each in faults.values())
    assert "crashed" in faults["deadly"].reason
    assert "cannot be read (ValueError: invalid literal" in faults["nameless"].reason
    assert len(faults["nameless"].reason) <= 300
    assert faults["damaged"].reason == "bytes \\x1b[31mred\\nforged: \\ud800"
    assert "landing.max_memory_bytes" in faults["large"].reason
    assert list(per_video(work, [], BUDGET)) == []


def test_workers_that_cannot_start_are_the_fault_of_no_file(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from tests.video.decoding.test_per_video import BUDGET, per_video, work\n"
        "print(list(per_video(work, ['a', 'b'], BUDGET)))\n"
    )
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert ran.returncode == 1
    assert "ComputeError: a worker process ends before it begins" in ran.stderr
    assert "FileFault" not in ran.stdout


def test_the_memory_of_one_file_is_no_limit_of_the_next():
    jobs = ["large", "a", "large", "b", "large", "c"]
    results = list(per_video(work, jobs, BUDGET))
    assert [each for each in results if isinstance(each, str)] == ["a done", "b done", "c done"]


REASONS = {"slow": "max_cpu_s", "hung": "did not come back"}


@pytest.mark.parametrize(("job", "reason"), list(REASONS.items()))
def test_a_file_that_takes_too_long_ends_alone(job, reason):
    budget = ProcessBudget(max_cpu_s=1.0, max_memory_bytes=2**28)
    results = list(per_video(work, ["a", job, "b"], budget))
    assert (results[0], results[2]) == ("a done", "b done")
    assert reason in results[1].reason


@pytest.mark.parametrize(("job", "error"), [("declared", ContractError), ("full", OSError)])
def test_what_no_file_did_stops_the_work(job, error):
    with pytest.raises(error):
        list(per_video(work, ["a", job], BUDGET))
