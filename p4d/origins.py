"""What is known of a video that was made from a dataset: its sequence, its terms, its partners.

The source file beside the video states it (p4d/sidecars.py), landing copies it into the manifest of
the shard, and the stages `videos`, `clips` and `release` pass it on in `origins.parquet`. A video
of which nothing of the kind is stated has no row, and a folder without rows has no such file.

`withheld` alone decides which pictures may leave a project: exports, bundles and pushes ask it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from p4d.artifacts import read_table, write_table
from p4d.errors import ContractError

TABLE = "origins.parquet"
"""File of a stage's folder with one row per video of which an origin is stated."""

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


def withheld(origins: Mapping[str, Origin]) -> dict[str, str]:
    """The videos whose pictures, and whatever shows them, stay in this project, each with why."""
    return {
        video_id: f"{origin.dataset or 'its'} terms forbid redistribution "
        f"({' '.join(each for each in (origin.terms_id, origin.terms_url) if each) or 'as stated'})"
        for video_id, origin in origins.items()
        if not origin.redistributable
    }


def write_origins(folder: Path, origins: Mapping[str, Origin]) -> None:
    """Write the table of a stage's folder; nothing if no origin is stated."""
    import polars as pl

    if not origins:
        return
    schema: dict[str, Any] = {"video_id": pl.String()}
    schema |= dict.fromkeys(_TEXTS, pl.String())
    schema |= {"redistributable": pl.Boolean(), "first_stamp_ns": pl.Int64()}
    schema |= {"notes": pl.List(pl.String())}
    rows = [{"video_id": video_id, **asdict(origin)} for video_id, origin in origins.items()]
    write_table(folder / TABLE, pl.DataFrame(rows, schema=schema), sort_by=["video_id"])


def read_origins(folder: Path) -> dict[str, Origin]:
    """The origins by video of a stage's folder; empty if none is stated."""
    path = folder / TABLE
    return read_origin_table(path) if path.is_file() else {}


def read_origin_table(path: Path) -> dict[str, Origin]:
    """The origins by video of one table."""
    rows = {row.pop("video_id"): row for row in read_table(path).iter_rows(named=True)}
    return {video_id: Origin.of(row) for video_id, row in rows.items()}
