"""What is known of a video that was made from a dataset: its sequence, its terms, its partners.

The source file beside the video states it (p4d/sidecars.py), landing copies it into the manifest of
the shard, and the stages `videos` and `clips` pass it on in `origins.parquet`. A video of which
nothing of the kind is stated has no row, and may be given to others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from p4d.errors import ContractError

_TEXTS = ("dataset", "sequence", "terms_id", "terms", "terms_url", "exchange_group", "times")
_MAX_TEXT = 2000
_MAX_LINES = 1000


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a video comes from, and under which terms.

    Attributes:
        dataset, sequence: of the video; empty for a video that was no dataset's.
        terms_id, terms, terms_url: name, text and address of the terms of use.
        redistributable: whether the pictures may be given to others.
        exchange_group: videos that show the same recording share one; empty: none.
        times: `measured` or `declared`.
        first_stamp_ns: the dataset's stamp of the first frame, which is at 0 in the video.
        notes: what was done to it, and what was left out, one line each.
    """

    dataset: str = ""
    sequence: str = ""
    terms_id: str = ""
    terms: str = ""
    terms_url: str = ""
    redistributable: bool = True
    exchange_group: str = ""
    times: str = ""
    first_stamp_ns: int = 0
    notes: tuple[str, ...] = ()

    def stated(self) -> dict[str, Any]:
        """The fields that differ from a video of which nothing is stated."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != getattr(Origin(), name)
        }

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Origin:
        """Read what somebody stated.

        Raises:
            ContractError: a field is unknown or of another type.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(stated) - known):
            raise ContractError(f"origin has no field {ascii(unknown[0])[:80]}")
        for name, value in stated.items():
            if not _fits(name, value):
                raise ContractError(f"{name} of the origin is {ascii(value)[:80]}")
        values = dict(stated)
        if "notes" in values:
            values["notes"] = tuple(values["notes"])
        return cls(**values)


def _fits(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, str) and len(value) <= _MAX_TEXT
    if name == "redistributable":
        return isinstance(value, bool)
    if name == "first_stamp_ns":
        return type(value) is int and abs(value) < 2**63
    return (
        isinstance(value, list | tuple)
        and len(value) <= _MAX_LINES
        and all(isinstance(line, str) and len(line) <= _MAX_TEXT for line in value)
    )
