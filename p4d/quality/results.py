"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning"]

SAMPLE_ROWS = 10
"""Offending rows that a result carries; the metrics hold the full count."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Outcome of one check on one materialization.

    Attributes:
        blocking: descendants must not run when it failed; true of critical checks.
        description: what must hold.
        metrics: flat numbers and short texts; `error` where the check itself could not run.
        sample: some of the offending rows, as plain JSON values.
    """

    name: str
    passed: bool
    severity: Severity
    description: str
    metrics: Mapping[str, float | int | str] = field(default_factory=dict)
    sample: tuple[Mapping[str, object], ...] = ()

    @property
    def blocking(self) -> bool:
        """Whether a failure stops descendants."""
        return self.severity == "critical"

    @property
    def stops(self) -> bool:
        """Whether this result does stop descendants."""
        return self.blocking and not self.passed

    @property
    def details(self) -> Mapping[str, object]:
        """What the ledger keeps beside the verdict."""
        rows = {"offending_rows": list(self.sample)} if self.sample else {}
        return {"description": self.description, **self.metrics, **rows}
