"""Puts what a check found into one line: how many rows, which values, which limits, an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p4d.foreign_text import one_line

HOW_TO_LIST = "p4d status --all"
"""Command that shows what failed checks found, with a sample of the offending rows."""

_LIMITS = {"above": "above", "at_least": "at least", "at_most": "at most", "one_of": "one of"}
_VALUES = ("observed", "lowest", "highest")
_COUNTS = {"unexpected": "beyond the limit", "absent": "without a value"}


def finding(details: Mapping[str, Any]) -> str:
    """What a check found: `2 of 30 rows beyond the limit; highest 0.3; allowed: at most 0.1`.

    Args:
        details: of a check, as the ledger keeps them (`CheckResult.details`).
    """
    left = {name: value for name, value in details.items() if name != "description"}
    sample = left.pop("offending_rows", [])
    if "error" in left:
        return f"the check could not run: {one_line(str(left['error']))}"
    rows, parts = left.pop("rows", None), []
    for name, meaning in _COUNTS.items():
        if count := left.pop(name, 0):
            parts.append(f"{count} of {rows} rows {meaning}" if rows else f"{count} {meaning}")
    if offenders := left.pop("offenders", 0):
        parts.append(f"{offenders} offending row{'s' if offenders != 1 else ''}")
    if not parts and rows is not None:
        parts.append(f"{rows} rows")
    parts += [f"{name} {_text(left.pop(name))}" for name in _VALUES if name in left]
    limits = [f"{text} {_text(left.pop(name))}" for name, text in _LIMITS.items() if name in left]
    if limits:
        parts.append(f"allowed: {' and '.join(limits)}")
    parts += [f"{name} {_text(value)}" for name, value in left.items()]
    if sample:
        parts.append(f"for example {row_text(sample[0])}")
    return "; ".join(parts)


def row_text(row: Mapping[str, Any]) -> str:
    """An offending row in one line."""
    return ", ".join(f"{name} {_text(value)}" for name, value in row.items())


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))
