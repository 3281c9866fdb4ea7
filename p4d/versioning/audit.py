"""The audit, in one place: explain, verify, restore, replay. Needs neither DVC nor Dagster."""

from p4d.versioning.explain import Node, why
from p4d.versioning.replay import Replay, replay
from p4d.versioning.restoration import Restored, restore
from p4d.versioning.verification import Problem, VerifyReport, verify

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
