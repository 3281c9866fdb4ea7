"""The stage `mixture`: which external rows students train on, and which are held out.

A row whose media resemble a clip of the val or test split is left out: students must not see what
they are asked about. Rows that resemble a train clip stay, and are counted. Rows that share a
medium, directly or through others, are held out together, by the hash of their smallest id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, read_table, write_json, write_table
from p4d.config import ExternalParams
from p4d.external.resemblance import ClipHashes, ClipSearch, Resemblance
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport

TRAIN, HELD_OUT, LEFT_OUT = "train", "held_out", "left_out"

ROW_SCHEMA: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "set": pl.String(),
    "split": pl.String(),
    "group": pl.String(),
    "reason": pl.String(),
}
MEDIUM_SCHEMA: dict[str, pl.DataType] = {
    "media_id": pl.String(),
    "resembles": pl.String(),
    "resembles_split": pl.String(),
}


def build_mixture(inputs: StageInputs, out: Path) -> StageReport:
    """Compare media with the clips of the release, and split the rows.

    Writes `rows.parquet` (split train, held_out or left_out, with the reason), `media.parquet`
    (the clip that each medium resembles, or null) and `mixture.json`.
    """
    params: ExternalParams = inputs.params("external")
    external = inputs.folder("external")
    rows = read_table(external / "rows.parquet", ["row_id", "set", "media_ids"])
    known = ClipHashes.read(inputs.folder("release"), inputs.shard_folders("clips"))
    found = _resembling(external, ClipSearch(known, inputs.params("release")))
    media_of: dict[str, list[str]] = dict(rows.select("row_id", "media_ids").iter_rows())
    groups = _groups(media_of)
    made = [
        _row(row_id, name, groups[row_id], media_of[row_id], found, params)
        for row_id, name in rows.select("row_id", "set").iter_rows()
    ]
    write_table(out / "rows.parquet", pl.DataFrame(made, schema=ROW_SCHEMA), sort_by=["row_id"])
    media = [
        {
            "media_id": media_id,
            "resembles": each.clip_id if each else None,
            "resembles_split": each.split if each else None,
        }
        for media_id, each in found.items()
    ]
    write_table(
        out / "media.parquet", pl.DataFrame(media, schema=MEDIUM_SCHEMA), sort_by=["media_id"]
    )
    write_json(
        out / "mixture.json", _summary(made, found, known, read_json(external / "sets.json"))
    )
    counts = Counter(row["split"] for row in made)
    return StageReport(
        rows={"ok": counts[TRAIN] + counts[HELD_OUT], "filtered": counts[LEFT_OUT]},
        metrics={TRAIN: counts[TRAIN], HELD_OUT: counts[HELD_OUT]},
    )


def _resembling(external: Path, search: ClipSearch) -> dict[str, Resemblance | None]:
    table = read_table(external / "media_hashes.parquet").sort("media_id", "window")
    windows: dict[str, list[tuple[list[str], list[str]]]] = {}
    for media_id, plain, mirrored in table.select(
        "media_id", "frame_hash", "mirrored_hash"
    ).iter_rows():
        windows.setdefault(media_id, []).append((plain, mirrored))
    return {media_id: search.resembling(each) for media_id, each in windows.items()}


def _groups(media_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Rows that share media, by the smallest row id of each group."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    first_of: dict[str, str] = {}
    for row_id in sorted(media_of):
        leader[row_id] = row_id
        for media_id in media_of[row_id]:
            a, b = sorted((find(first_of.setdefault(media_id, row_id)), find(row_id)))
            leader[b] = a
    return {row_id: find(row_id) for row_id in leader}


def _row(
    row_id: str,
    set_name: str,
    group: str,
    media: Iterable[str],
    found: Mapping[str, Resemblance | None],
    params: ExternalParams,
) -> dict[str, Any]:
    split = HELD_OUT if _position(group) < params.heldout_fraction else TRAIN
    reason = None
    for media_id in media:
        near = found[media_id]
        if near is not None and near.split != "train":
            split = LEFT_OUT
            reason = f"{media_id} resembles {near.clip_id} of the {near.split} split"
    return {"row_id": row_id, "set": set_name, "split": split, "group": group, "reason": reason}


def _position(group: str) -> float:
    return seed_for(group, "external split") / 2.0**63


def _summary(
    rows: Iterable[Mapping[str, Any]],
    found: Mapping[str, Resemblance | None],
    known: ClipHashes,
    sets: Mapping[str, Any],
) -> dict[str, Any]:
    by_set: dict[str, Counter[str]] = {name: Counter() for name in sets}
    for row in rows:
        by_set[row["set"]][row["split"]] += 1
    near = Counter(each.split for each in found.values() if each is not None)
    return {
        "sets": {
            name: {split: counts[split] for split in (TRAIN, HELD_OUT, LEFT_OUT)}
            for name, counts in by_set.items()
        },
        "clips_compared": len(known.clips),
        "clips_without_hashes": known.without,
        "media_compared": len(found),
        "media_like_clips": {split: near[split] for split in ("train", "val", "test")},
    }
