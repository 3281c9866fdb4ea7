"""Memory that a loop frees and needs again stays in the process, and goes back afterwards."""

import platform
import resource
from pathlib import Path

import pytest
import torch

from p4d import freed_memory

MIB = 1 << 20
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")


def faults_of_a_loop():
    """Pages that the kernel gave for twenty times the same 48 MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        held = [torch.ones(4 * MIB) for _ in range(3)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


@glibc
def test_a_loop_gets_its_pages_once():
    anew = faults_of_a_loop()
    with freed_memory.kept():
        faults_of_a_loop()
        again = faults_of_a_loop()
    assert again < anew / 20


@glibc
def test_what_was_kept_is_returned_at_the_end():
    with freed_memory.kept():
        faults_of_a_loop()
        inside = resident_mib()
    assert inside - resident_mib() > 30


def test_without_glibc_the_block_runs_all_the_same(monkeypatch):
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())
    with freed_memory.kept():
        ran = True
    assert ran
