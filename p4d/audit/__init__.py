"""The audit, in one place: explain, verify, restore, replay. Needs neither DVC nor Dagster."""

from p4d.audit.lookup.restore import Restored, restore
from p4d.audit.lookup.why import Node, why
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
