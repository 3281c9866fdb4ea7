"""The result of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning"]

SAMPLE_ROWS = 10
"""Offending rows that a result carries; the metrics hold the full count."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Result of one check of one version.

    Attributes:
        description: what holds when it passes.
        metrics: flat numbers and short texts; `error` if the check could not run.
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
        """Whether a failure blocks descendants; true of critical checks."""
        return self.severity == "critical"

    @property
    def details(self) -> Mapping[str, object]:
        """What the ledger keeps beside the result."""
        rows = {"offending_rows": list(self.sample)} if self.sample else {}
        return {"description": self.description, **self.metrics, **rows}
