"""What went wrong in a run, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A step or a gate that failed, with the library's message."""

    step: str
    reason: str
    shard: str | None = None
    by_gate: bool = False
