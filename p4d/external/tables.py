"""Writes the artifact of the stage `external`: tables, and media that are named by content."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import write_json, write_table
from p4d.external.candidates import CandidateRow, FoundMedium, FoundRows
from p4d.external.files import StatedSet
from p4d.external.media import CheckedMedium
from p4d.video.decoding.per_video import FileFault

ROW_SCHEMA: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "set": pl.String(),
    "file": pl.String(),
    "number": pl.Int64(),
    "form": pl.String(),
    "source_id": pl.String(),
    "question_type": pl.String(),
    "scene": pl.String(),
    "questions": pl.List(pl.String()),
    "answers": pl.List(pl.String()),
    "markers": pl.List(pl.String()),
    "media_ids": pl.List(pl.String()),
    "licence": pl.String(),
    "source": pl.String(),
}
MEDIUM_SCHEMA: dict[str, pl.DataType] = {
    "media_id": pl.String(),
    "sha256": pl.String(),
    "kind": pl.String(),
    "file": pl.String(),
    "bytes": pl.Int64(),
    "width_px": pl.Int64(),
    "height_px": pl.Int64(),
    "frames": pl.Int64(),
    "duration_s": pl.Float64(),
}
HASH_SCHEMA: dict[str, pl.DataType] = {
    "media_id": pl.String(),
    "window": pl.Int64(),
    "frame_hash": pl.List(pl.String()),
    "mirrored_hash": pl.List(pl.String()),
}
REJECTED_SCHEMA: dict[str, pl.DataType] = {
    "set": pl.String(),
    "file": pl.String(),
    "number": pl.Int64(),
    "source_id": pl.String(),
    "reason": pl.String(),
}


def write_artifact(
    out: Path,
    found: FoundRows,
    kept: Sequence[CandidateRow],
    media: Mapping[str, FoundMedium],
    checked: Mapping[str, CheckedMedium | FileFault],
) -> None:
    """Copy the media of the kept rows, and write all tables.

    Args:
        out: folder of the artifact; it may hold media that rows carried in themselves.
        found: for sets and rejected rows.
        kept: rows in order.
        media: of the kept rows, by id.
        checked: what decoding them gave, by id.
    """
    files = {media_id: _copied(medium, out) for media_id, medium in media.items()}
    used = {out / file for file in files.values()}
    for stray in (out / "media").rglob("*") if (out / "media").is_dir() else ():
        if stray.is_file() and stray not in used:  # a picture of rejected rows
            stray.unlink()
    rows = [_row(each, found.stated[each.set_name]) for each in kept]
    table = pl.DataFrame(rows, schema=ROW_SCHEMA)
    write_table(out / "rows.parquet", table, sort_by=["row_id"])
    write_table(
        out / "media.parquet",
        pl.DataFrame(list(_media_rows(media, files, checked)), schema=MEDIUM_SCHEMA),
        sort_by=["media_id"],
    )
    write_table(
        out / "media_hashes.parquet",
        pl.DataFrame(list(_hash_rows(media, checked)), schema=HASH_SCHEMA),
        sort_by=["media_id", "window"],
    )
    write_table(
        out / "rejected.parquet",
        pl.DataFrame(found.rejected, schema=REJECTED_SCHEMA),
        sort_by=["set", "file", "number"],
    )
    accepted = Counter(each.set_name for each in kept)
    refused = Counter(row["set"] for row in found.rejected)
    sets = {
        name: {**about, "rows": accepted[name], "rejected": refused[name]}
        for name, about in found.sets.items()
    }
    write_json(out / "sets.json", sets)


def _copied(medium: FoundMedium, out: Path) -> str:
    """Copy a medium into the artifact unless it is there; returns its path in it."""
    if medium.path.is_relative_to(out):
        return medium.path.relative_to(out).as_posix()
    ending = medium.path.suffix.lstrip(".").lower()
    ending = ending if re.fullmatch(r"[a-z0-9]{1,5}", ending) else "bin"
    file = f"media/{file_name(medium.sha256, ending)}"
    (out / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(medium.path, out / file)
    return file


def _row(each: CandidateRow, stated: StatedSet) -> dict[str, Any]:
    row = each.row
    return {
        "row_id": each.row_id,
        "set": each.set_name,
        "file": each.found.file,
        "number": each.found.number,
        "form": row.form,
        "source_id": row.source_id,
        "question_type": row.question_type,
        "scene": row.scene,
        "questions": [turn.asked for turn in row.turns],
        "answers": [turn.answer for turn in row.turns],
        "markers": [medium.marker for medium in each.media],
        "media_ids": [medium.media_id for medium in each.media],
        "licence": stated.licence,
        "source": stated.source,
    }


def _media_rows(
    media: Mapping[str, FoundMedium],
    files: Mapping[str, str],
    checked: Mapping[str, CheckedMedium | FileFault],
) -> Iterator[dict[str, Any]]:
    for media_id, medium in media.items():
        found = checked[media_id]
        assert isinstance(found, CheckedMedium)
        yield {
            "media_id": media_id,
            "sha256": medium.sha256,
            "kind": medium.kind,
            "file": files[media_id],
            "bytes": medium.path.stat().st_size,
            "width_px": found.width_px,
            "height_px": found.height_px,
            "frames": found.frames,
            "duration_s": found.duration_s,
        }


def _hash_rows(
    media: Mapping[str, FoundMedium], checked: Mapping[str, CheckedMedium | FileFault]
) -> Iterator[dict[str, Any]]:
    for media_id in media:
        found = checked[media_id]
        assert isinstance(found, CheckedMedium)
        for window, (plain, mirrored) in enumerate(found.windows):
            yield {
                "media_id": media_id,
                "window": window,
                "frame_hash": list(plain),
                "mirrored_hash": list(mirrored),
            }


def file_name(sha256: str, ending: str) -> str:
    """Path of a medium below `media/`."""
    return f"{sha256[:2]}/{sha256}.{ending}"
