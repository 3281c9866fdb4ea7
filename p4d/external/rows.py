"""Reads the artifacts of the stages `external` and `mixture`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.external.conversation import ForeignTurn

_LISTS = ("questions", "answers", "markers", "media_ids")


@dataclass(frozen=True, kw_only=True)
class ExternalConversation:
    """A row that is in use.

    Attributes:
        row_id: its id.
        set_name: the set it is of.
        group: rows that share media have the same.
        turns: in order.
        media: for each marker in order, the marker and the file.
    """

    row_id: str
    set_name: str
    group: str
    turns: tuple[ForeignTurn, ...]
    media: tuple[tuple[str, Path], ...]


def read_split(external: Path, mixture: Path, split: str) -> list[ExternalConversation]:
    """The rows of one split (`train`, `held_out`), sorted by id; none if there are no artifacts.

    Raises:
        ContractError: a medium of a row is missing from the artifact.
    """
    if not (mixture / "rows.parquet").is_file() or not (external / "rows.parquet").is_file():
        return []
    chosen = read_table(mixture / "rows.parquet").filter(pl.col("split") == split)
    table = read_table(external / "rows.parquet", ["row_id", "set", *_LISTS])
    joined = chosen.select("row_id", "group").join(table, on="row_id").sort("row_id")
    media = read_table(external / "media.parquet", ["media_id", "file"])
    files: Mapping[str, str] = dict(media.iter_rows())
    return [
        ExternalConversation(
            row_id=row["row_id"],
            set_name=row["set"],
            group=row["group"],
            turns=tuple(map(ForeignTurn, row["questions"], row["answers"])),
            media=tuple(
                (marker, _file(external, files, media_id, row["row_id"]))
                for marker, media_id in zip(row["markers"], row["media_ids"], strict=True)
            ),
        )
        for row in joined.iter_rows(named=True)
    ]


def _file(external: Path, files: Mapping[str, str], media_id: str, row_id: str) -> Path:
    if media_id not in files:
        raise ContractError(f"external row {row_id}: {media_id} is not in media.parquet")
    return external / files[media_id]
