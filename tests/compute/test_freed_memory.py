"""A process keeps the memory that it freed."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_ROUNDS = """
import resource
import numpy as np
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 22)
before = faults()
for _ in range(20):
    np.ones(1 << 22)  # 32 MB
print(faults() - before)
"""


def _page_faults(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _ROUNDS.format(first=first)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
@pytest.mark.parametrize("module", ["p4d.cli", "dagster_project"])
def test_a_second_array_of_a_size_costs_no_new_pages(module: str) -> None:
    kept = _page_faults(f"import {module}")
    returned = _page_faults("")
    assert 10 * kept < returned
