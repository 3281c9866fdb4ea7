"""Explains, verifies, restores and repeats what is recorded. Needs neither DVC nor Dagster.

README.md lists the modules, and gives a reading order.
"""

from p4d.audit.lookup.restore import Restored, restore
from p4d.audit.lookup.tree import Node
from p4d.audit.lookup.why import why
from p4d.audit.proof.replay import Replay, replay
from p4d.audit.proof.verify import VerifyReport, verify
from p4d.versioning.ledger.problem import Problem

__all__ = [
    "Node",
    "Problem",
    "Replay",
    "Restored",
    "VerifyReport",
    "replay",
    "restore",
    "verify",
    "why",
]
