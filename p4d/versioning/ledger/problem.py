"""A difference between the ledger and what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fault = Literal["missing", "altered", "orphaned", "unrecorded", "older"]


@dataclass(frozen=True)
class Problem:
    """One file or entry that differs from what the ledger records.

    Attributes:
        kind: `missing`, `altered`, `orphaned` (stored, but part of nothing), `unrecorded`
            (published, but not in the ledger) or `older` (recorded, but not the latest).
        path: relative to the project.
        detail: what differs, and the way out.
    """

    kind: Fault
    path: str
    detail: str
