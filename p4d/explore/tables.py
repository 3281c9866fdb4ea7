"""Reads the tables of the pipeline for the explorer: each file once, again only when it changes.

A file that is missing gives an empty table; one that is damaged or lacks a column gives an empty
table and a note, so that a damaged shard costs no other shard its page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table

Schema = Mapping[str, Any]

TEXTS = pl.List(pl.String)

VIDEOS: Schema = {
    "video_id": pl.String,
    "name": pl.String,
    "sha256": pl.String,
    "file": pl.String,
    "codec": pl.String,
    "width_px": pl.Int64,
    "height_px": pl.Int64,
    "duration_ns": pl.Int64,
    "licence": pl.String,
    "source": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
}
CLIPS: Schema = {
    "clip_id": pl.String,
    "video_id": pl.String,
    "start_ns": pl.Int64,
    "end_ns": pl.Int64,
    "frame_index": pl.List(pl.Int64),
    "frame_pts_ns": pl.List(pl.Int64),
    "has_truth": pl.Boolean,
    "scale_kind": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
}
LABELS: Schema = {
    "clip_id": pl.String,
    "teacher": pl.String,
    "scale_kind": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
}
LABEL_STATS: Schema = {
    "clip_id": pl.String,
    "teacher": pl.String,
    "modality": pl.String,
    "coverage": pl.Float64,
    "depth_absrel": pl.Float64,
    "flow_epe_px": pl.Float64,
    "motion_iou": pl.Float64,
    "flow_cycle_px": pl.Float64,
    "depth_scale_jump": pl.Float64,
}
OUTCOMES: Schema = {"clip_id": pl.String, "outcome": pl.String, "reason": pl.String}
QUESTIONS: Schema = {
    "qa_id": pl.String,
    "clip_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "question": pl.String,
    "options": TEXTS,
    "answer_index": pl.Int64,
    "fact_ids": TEXTS,
    "region_ids": TEXTS,
    "margin_sigma": pl.Float64,
    "has_truth": pl.Boolean,
}
RELEASED_QUESTIONS: Schema = {
    **QUESTIONS,
    "shard": pl.String,
    "split": pl.String,
    "review": pl.String,
    "fixed_from": pl.String,
}
RELEASED_CLIPS: Schema = {"clip_id": pl.String, "split": pl.String, "group": pl.String}
REFUSALS: Schema = {
    "clip_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "reason": pl.String,
    "count": pl.Int64,
}
PREDICTIONS: Schema = {
    "arm": pl.String,
    "qa_id": pl.String,
    "predicted_index": pl.Int64,
    "correct": pl.Boolean,
    "text": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that the explorer leaves out: its path in the project, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Stamp:
    """What changes when a file is replaced; None if there is no file."""

    path: Path
    inode: int
    nbytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """The stamp of a file, or None."""
        try:
            stat = path.stat()
        except OSError:
            return None
        return cls(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


class Tables:
    """Tables of one project, by path."""

    def __init__(self, root: Path) -> None:
        """Nothing is read yet; notes name files relative to `root`."""
        self._root = root
        self._known: dict[Path, tuple[Stamp, pl.DataFrame | Unreadable]] = {}
        self._lock = threading.RLock()

    def read(
        self,
        path: Path,
        schema: Schema,
        reduce: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    ) -> pl.DataFrame:
        """Columns `schema` of a file, or what `reduce` makes of them; empty if it is unreadable.

        A path is always read with the same schema and the same `reduce`.
        """
        stamp = Stamp.of(path)
        empty = pl.DataFrame(schema=schema)
        if stamp is None:
            with self._lock:
                self._known.pop(path, None)
            return reduce(empty) if reduce else empty
        with self._lock:
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = (stamp, self._read(path, schema, reduce))
        table = known[1]
        if isinstance(table, Unreadable):
            return reduce(empty) if reduce else empty
        return table

    def unreadable(self) -> Iterator[Unreadable]:
        """The damaged files among those that were read last, by path."""
        with self._lock:
            found = [table for _, table in self._known.values() if isinstance(table, Unreadable)]
        yield from sorted(found, key=lambda each: each.path)

    def _read(
        self,
        path: Path,
        schema: Schema,
        reduce: Callable[[pl.DataFrame], pl.DataFrame] | None,
    ) -> pl.DataFrame | Unreadable:
        try:
            table = read_table(path, columns=list(schema)).cast(pl.Schema(schema))
            return reduce(table) if reduce else table
        except (pl.exceptions.PolarsError, OSError) as error:
            where = path.relative_to(self._root).as_posix()
            return Unreadable(
                path=where, reason=(str(error).splitlines() or [type(error).__name__])[0]
            )
