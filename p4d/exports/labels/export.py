"""Writes the folder of `p4d export labels`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table, write_arrays, write_bytes, write_table
from p4d.errors import LabelError
from p4d.exports import destination
from p4d.exports.destination import Exported, Staging
from p4d.exports.labels.readme import ARRAYS, readme, unit_of
from p4d.exports.source import HELD_OUT, OpenRelease, open_release
from p4d.ids import content_id
from p4d.progress import Progress
from p4d.project import Project
from p4d.teachers.labelling.store import LabelStore

KIND, FORMAT = "labels", 1
STAGES = ("videos", "clips", "labels")
INDEX_SCHEMA: dict[str, Any] = {
    "clip_id": pl.String, "video_id": pl.String, "split": pl.String, "teacher": pl.String,
    "teacher_digest": pl.String, "depth_kind": pl.String, "scale_kind": pl.String,
    "map_px": pl.Int64, "frames_pts_s": pl.List(pl.Float64), "file": pl.String,
    "arrays": pl.List(pl.String), "units": pl.List(pl.String), "valid": pl.List(pl.String),
    "coverage": pl.List(pl.Float64),
}  # fmt: skip


def export_labels(
    project: Project,
    path: Path,
    *,
    release: str = "release",
    held_out: bool = False,
    progress: Progress = lambda done, total, note: None,
) -> Exported:
    """Write the labels of a release's clips to `path`, and record it.

    Args:
        project: where.
        path: a folder that does not exist yet.
        release: `release` (the current one), a `rel_` id or an md5 of a release.
        held_out: also those of the test split.
        progress: called as `(clips done, clips, clip)`.

    Raises:
        LedgerError: no such release is recorded.
        ContractError: `path` holds something else.
        PublishError: the disk is full, or a version is neither in place nor in the cache.
    """
    with open_release(project, release, STAGES) as opened:
        terms = opened.terms
        export_id = content_id(
            "export", KIND, FORMAT, [version.data_version for version in opened.upstream],
            held_out, dict(terms.recipes), dict(terms.absent),
        )  # fmt: skip
        found = destination.existing_export(path, export_id)
        if found is None:
            destination.refuse_artifacts(project, path)
            with destination.staged(path, export_id) as staging:
                counts = _write(opened, staging, export_id, held_out, progress)
            found = Exported(path=path, export_id=export_id, counts=counts)
    destination.record(project, path)
    return found


def _write(
    opened: OpenRelease, staging: Staging, export_id: str, held_out: bool, progress: Progress
) -> dict[str, int]:
    rows = list(_label_rows(opened, staging, held_out, progress))
    write_table(
        staging.folder / "index.parquet",
        pl.DataFrame(rows, schema=INDEX_SCHEMA),
        sort_by=["clip_id", "teacher"],
    )
    counts = {"labels": len(rows), "clips": len({row["clip_id"] for row in rows})}
    text = readme(export_id, opened.release_id, counts, held_out=held_out)
    write_bytes(staging.folder / "README.md", text.encode())
    destination.describe(
        staging,
        {
            "export_id": export_id,
            "kind": KIND,
            "format": FORMAT,
            "release_id": opened.release_id,
            "upstream": {str(v.key): v.data_version for v in opened.upstream},
            "options": {"held_out": held_out},
            "left_out": dict(opened.terms.recipes),
            "counts": counts,
        },
    )
    return counts


def _label_rows(
    opened: OpenRelease, staging: Staging, held_out: bool, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Write the file of each label; yield its row of the index."""
    wanted = {
        clip_id: clip
        for clip_id, clip in opened.clips.items()
        if clip.video_id not in opened.terms.recipes and (held_out or clip.split != HELD_OUT)
    }
    done = 0
    for shard in opened.shards:
        folder = opened.shard_folder("labels", shard)
        store = LabelStore(folder)
        index = read_table(folder / "index.parquet").filter(pl.col("outcome") == "ok")
        for row in index.sort("clip_id", "teacher").iter_rows(named=True):
            clip = wanted.get(row["clip_id"])
            if clip is None or clip.shard != shard:
                continue
            name = f"labels/{clip.split}/{clip.clip_id}.{row['teacher']}.safetensors"
            arrays = _arrays(store, clip.clip_id, row["teacher"])
            if not staging.has([name]):
                write_arrays(staging.folder / name, arrays, meta={"label": f"{row['teacher']}"})
                staging.done([name])
            names = sorted(arrays)
            yield {
                **{k: row[k] for k in ("clip_id", "teacher", "teacher_digest", "depth_kind",
                                       "scale_kind", "map_px")},
                "video_id": clip.video_id,
                "split": clip.split,
                "frames_pts_s": list(clip.times_s),
                "file": name,
                "arrays": names,
                "units": [unit_of(n, row["depth_kind"], row["scale_kind"]) for n in names],
                "valid": [ARRAYS[n].valid if n in ARRAYS else "" for n in names],
                "coverage": [_coverage(n, arrays) for n in names],
            }  # fmt: skip
            done += 1
            progress(done, len(wanted), clip.clip_id)


def _arrays(store: LabelStore, clip_id: str, teacher: str) -> dict[str, np.ndarray]:
    found = dict(store.get_all(clip_id, teacher))
    with contextlib.suppress(LabelError):  # a teacher without latents
        found["latents"] = store.latents(clip_id, teacher)
    return found


def _coverage(name: str, arrays: dict[str, np.ndarray]) -> float:
    """The share of an array that is known."""
    valid = ARRAYS[name].valid if name in ARRAYS else ""
    return round(float(arrays[valid].mean()), 6) if valid in arrays else 1.0
