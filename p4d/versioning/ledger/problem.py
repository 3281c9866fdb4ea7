"""A fault of a recorded artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fault = Literal["missing", "altered", "orphaned", "unrecorded"]


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the ledger says.

    Attributes:
        kind: `missing`, `altered`, `orphaned` (lies there, belongs to nothing) or `unrecorded`
            (published, but not in the ledger).
        path: relative to the project.
        detail: in words.
    """

    kind: Fault
    path: str
    detail: str
