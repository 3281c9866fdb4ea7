"""How the threads of numerical libraries wait for each other."""

from __future__ import annotations

import os

WAIT_POLICY = "OMP_WAIT_POLICY"


def wait_without_spinning() -> None:
    """Let threads sleep that wait for others, unless the environment decides; before torch loads.

    By default they spin, and take the cores from those that they wait for: 40 steps of P4D with two
    threads took 48 to 53 s on two cores, and 25 to 33 s without.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")
