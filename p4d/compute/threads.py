"""How the threads of numerical libraries wait for each other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

WAIT_POLICY = "OMP_WAIT_POLICY"
_TURN_S = 0.0005


def wait_without_spinning() -> None:
    """Let threads sleep that wait for others, unless the environment decides; before torch loads.

    By default they spin, and take the cores from those that they wait for: 40 steps of P4D with two
    threads took 48 to 53 s on two cores, and 25 to 33 s without.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Let a thread run Python for half a millisecond before another has a turn, in the block.

    With Python's five, a thread that gives jobs to other processes, and answers them in
    microseconds, waits that long for one that computes here, and the processes wait with it.
    """
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
