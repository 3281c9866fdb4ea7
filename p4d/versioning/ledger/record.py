"""The form of one ledger record: plain JSON, with a digest of its own content."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from p4d.ids import canonical_json

Record = Mapping[str, Any]

SCHEMA = 2
"""The form of new records. Those of version 0.1 have no number and count as 1; all are read."""


def digest_of(record: Record) -> str:
    """SHA-256 of a record that has no field `digest` yet."""
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()


def is_intact(record: Record) -> bool:
    """Whether a record is as it was written; true of the oldest records, which have no digest."""
    content = {key: value for key, value in record.items() if key != "digest"}
    return record.get("digest") in (None, digest_of(content))


def schema_of(record: Record) -> int:
    """The form that a record was written in.

    Raises:
        ValueError: its number is none.
    """
    number = record.get("schema", 1)
    if type(number) is not int or number < 1:
        raise ValueError(f"schema {ascii(number)[:80]} is no number of a form")
    return number


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as JSON can hold it: numpy scalars as numbers, NaN and infinities as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return plain(value.item()) if hasattr(value, "item") else str(value)
