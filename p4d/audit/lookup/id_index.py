"""An index over the ids of all recorded versions, current or superseded.

Per kind of id, there are sorted Parquet segments below `.p4d/ids`; a look-up reads the row groups
whose range holds the id. An index of content-addressed versions cannot be stale: a look-up first
adds the versions that the index does not cover yet. It holds nothing that cannot be computed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from p4d.artifacts import read_table, scan_table, write_bytes, write_table
from p4d.audit.lookup.lookup import Lookup
from p4d.ids import content_id
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion

if TYPE_CHECKING:
    import polars as pl

MOST_SEGMENTS = 8
"""If there are more segments, they are merged into one."""

NEAR_EDITS = 4
"""An id that is at most this many edits away is suggested."""


@dataclass(frozen=True)
class Kind:
    """One kind of id: the stage, table and column that hold it."""

    word: str
    stage: str
    table: str
    column: str


KINDS: Mapping[str, Kind] = {
    "qa": Kind("question", "questions", "questions.parquet", "qa_id"),
    "fact": Kind("fact", "facts", "facts.parquet", "fact_id"),
    "reg": Kind("region", "regions", "regions.parquet", "region_id"),
    "clip": Kind("clip", "clips", "clips.parquet", "clip_id"),
    "vid": Kind("video", "videos", "videos.parquet", "video_id"),
    "ext": Kind("external row", "external", "rows.parquet", "row_id"),
    "med": Kind("external medium", "external", "media.parquet", "media_id"),
}
"""By the prefix of the id."""


class IdIndex:
    """The index of one project."""

    def __init__(self, lookup: Lookup) -> None:
        """The index of the project that `lookup` reads."""
        self._lookup = lookup
        self._project = lookup.project
        self._ledger = lookup.index

    def find(self, identifier: str) -> list[ArtifactVersion]:
        """Versions that hold an id, oldest first."""
        import polars as pl

        kind = KINDS[identifier.partition("_")[0]]
        segments = self._covering(kind)
        if not segments:
            return []
        found = scan_table(*segments).filter(pl.col("id") == identifier).collect().iter_rows()
        holders = {ArtifactVersion(ArtifactKey(kind.stage, shard), md5) for _, shard, md5 in found}
        return [version for version in self._ledger.versions(kind.stage) if version in holders]

    def near(self, identifier: str, most: int = 3) -> list[str]:
        """Known ids with the same beginning or a few edits away, nearest first."""
        import duckdb

        segments = self._covering(KINDS[identifier.partition("_")[0]])
        if not segments:
            return []
        # A few edits leave one quarter of an id unchanged: cheap to search, and few ids contain it.
        digits = identifier.partition("_")[2]
        size = max(3, len(digits) // 4)
        parts = [digits[k : k + size] for k in range(0, len(digits) - size + 1, size)]
        alike = "".join(f" or contains(id, $part{k})" for k in range(len(parts)))
        found = duckdb.connect(config={"threads": 2}).execute(
            f"""
            with alike as materialized (
                select id from read_parquet($segments)
                where starts_with(id, $wanted){alike}
            )
            select distinct id, starts_with(id, $wanted) as begins,
                damerau_levenshtein(id, $wanted) as edits
            from alike
            where begins or edits <= $edits
            order by not begins, edits, id
            limit $most
            """,
            {
                "segments": [str(path) for path in segments],
                "wanted": identifier,
                **{f"part{k}": part for k, part in enumerate(parts)},
                "edits": NEAR_EDITS,
                "most": most,
            },
        )
        return [row[0] for row in found.fetchall()]

    def _covering(self, kind: Kind) -> list[Path]:
        """Segments that together cover every version whose table is in the cache."""
        folder = self._project.state / "ids" / kind.stage
        folder.mkdir(parents=True, exist_ok=True)
        versions = self._ledger.versions(kind.stage)
        covered = _read_covered(folder)
        if any(_name(version) not in covered for version in versions):
            with FileLock(folder / "lock"):
                covered = _read_covered(folder)
                new = [version for version in versions if _name(version) not in covered]
                self._add(kind, folder, covered, new)
        return [folder / f"{name}.parquet" for name in _read_segments(folder)]

    def _add(self, kind: Kind, folder: Path, covered: set[str], new: list[ArtifactVersion]) -> None:
        import polars as pl

        known = {f"{name}.parquet" for name in _read_segments(folder)}
        for stray in folder.glob("*.parquet"):
            if stray.name not in known:  # left by a process that died before it listed the segment
                stray.unlink()
        tables, added = [], []
        for version in new:
            path = self._lookup.stored(version, kind.table)
            if path is None:
                continue
            ids = read_table(path, columns=[kind.column])
            tables.append(
                ids.select(
                    id=pl.col(kind.column).unique(),
                    shard=pl.lit(version.key.shard),
                    md5=pl.lit(version.md5),
                )
            )
            added.append(_name(version))
        if not tables:
            return
        segments = _read_segments(folder)
        name = content_id("segment", sorted(added))
        merged = segments if len(segments) >= MOST_SEGMENTS else []
        tables += [read_table(folder / f"{old}.parquet") for old in merged]
        _write_segment(folder / f"{name}.parquet", pl.concat(tables))
        kept = [old for old in segments if old not in merged]
        state = {"segments": [*kept, name], "covered": sorted({*covered, *added})}
        write_bytes(folder / "covered.json", json.dumps(state).encode())
        for old in merged:
            (folder / f"{old}.parquet").unlink(missing_ok=True)


def _write_segment(path: Path, table: pl.DataFrame) -> None:
    write_table(path, table, sort_by=["id", "shard", "md5"])


def _name(version: ArtifactVersion) -> str:
    return f"{version.key.shard} {version.md5}"


def _read_state(folder: Path) -> dict[str, list[str]]:
    try:
        state: dict[str, list[str]] = json.loads(
            (folder / "covered.json").read_text(encoding="utf-8")
        )
        whole = all((folder / f"{name}.parquet").is_file() for name in state["segments"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        whole = False
    return state if whole else {"segments": [], "covered": []}


def _read_covered(folder: Path) -> set[str]:
    return set(_read_state(folder)["covered"])


def _read_segments(folder: Path) -> list[str]:
    return _read_state(folder)["segments"]
