"""Stage `videos`: the files of a shard, verified by content hash and by a full decode."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import write_arrays, write_table
from p4d.config import ClipsParams, LandingParams, ShotsParams
from p4d.errors import ContractError
from p4d.origins import Origin, write_origins
from p4d.paths import inside
from p4d.pipeline import StageInputs, StageReport
from p4d.sidecars import TRUTH_SUFFIX
from p4d.video.decoding.budget import FileBudget, ProcessBudget
from p4d.video.decoding.decode import Timeline
from p4d.video.decoding.per_video import FileFault, per_video
from p4d.video.decoding.probe import Probe
from p4d.video.one_pass import ReadVideo, read_video

VIDEO_SCHEMA: dict[str, pl.DataType] = {
    "video_id": pl.String(),
    "name": pl.String(),
    "sha256": pl.String(),
    "bytes": pl.Int64(),
    "file": pl.String(),
    "sidecar_file": pl.String(),
    "container": pl.String(),
    "codec": pl.String(),
    "pix_fmt": pl.String(),
    "width_px": pl.Int64(),
    "height_px": pl.Int64(),
    "rotation_deg": pl.Int64(),
    "duration_ns": pl.Int64(),
    "n_frames": pl.Int64(),
    "fps_mean": pl.Float64(),
    "is_vfr": pl.Boolean(),
    "licence": pl.String(),
    "source": pl.String(),
    "has_truth": pl.Boolean(),
    "note": pl.String(),
    "outcome": pl.String(),
    "reason": pl.String(),
}
FRAME_SCHEMA: dict[str, pl.DataType] = {
    "video_id": pl.String(),
    "frame_index": pl.Int64(),
    "pts_ns": pl.Int64(),
}

SHOT_SCHEMA: dict[str, pl.DataType] = {
    "video_id": pl.String(),
    "first_frame": pl.Int64(),
    "end_frame": pl.Int64(),
    "ends_in": pl.String(),
    "next_frame": pl.Int64(),
}
"""`ends_in`: cut, fade, dissolve or, at the end of the video, null; `next_frame`: where the
transition ends, the first frame of the next shot."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Params:
    landing: LandingParams
    clips: ClipsParams
    shots: ShotsParams


@dataclass(frozen=True, kw_only=True)
class _IngestJob:
    row: Mapping[str, Any]
    inbox: Path | None
    previous: Path | None
    out: Path
    params: _Params


@dataclass(frozen=True, kw_only=True)
class _Ingested:
    row: dict[str, Any]
    read: ReadVideo | None = None


class _MissingFileError(Exception):
    """A landed file is no longer available; the message says what to do."""


def build_videos(inputs: StageInputs, out: Path) -> StageReport:
    """Copy, verify and fully decode the files of one shard.

    Writes `videos.parquet` (one row per landed file, including rejected ones; width and height are
    upright; a file that landing rejected has no container, one that the full decode rejected has),
    `origins.parquet` if any of them states its dataset or terms (p4d/origins.py),
    `frames.parquet` (one row per frame of an accepted video), `shots.parquet` (its parts between
    cuts and fades, by frame numbers), `samples.safetensors` ("{video_id}.rgb_nhw3", the frames that
    its clips sample, and "{video_id}.frame_index") and `files/`. A file that is no longer in the
    inbox is copied from the published version of this stage if that has the same content;
    otherwise its outcome is failed.

    Raises:
        ContractError: the manifest is missing, or a path in it leads out of the inbox.

    """
    if inputs.manifest is None or inputs.shard is None:
        raise ContractError("stage videos needs a shard with its manifest (shards/<shard>.json)")
    (out / "files").mkdir(parents=True, exist_ok=True)
    files: list[dict[str, Any]] = inputs.manifest["files"]
    params = _Params(
        landing=inputs.params("landing"), clips=inputs.params("clips"), shots=inputs.params("shots")
    )
    jobs = [
        _IngestJob(
            row=row,
            inbox=inputs.inbox,
            previous=inputs.previous,
            out=out,
            params=params,
        )
        for row in files
        if row["outcome"] == "ok"
    ]
    rows = [_video_row(row) for row in files if row["outcome"] != "ok"]
    read: dict[str, ReadVideo] = {}
    results = per_video(_ingest, jobs, ProcessBudget.of(params.landing))
    for done, (job, result) in enumerate(zip(jobs, results, strict=True), 1):
        ingested = (
            _not_kept(job, "rejected", result.reason) if isinstance(result, FileFault) else result
        )
        rows.append(ingested.row)
        if ingested.read is not None:
            read[ingested.row["video_id"]] = ingested.read
        inputs.progress(done, len(jobs), job.row["name"])
    videos = pl.DataFrame(rows, schema=VIDEO_SCHEMA)
    write_table(out / "videos.parquet", videos, sort_by=["video_id"])
    stated = {row["file_id"]: row["origin"] for row in files if row.get("origin")}
    write_origins(out, {video_id: Origin.of(origin) for video_id, origin in stated.items()})
    _write_read(out, read)
    counts = dict(videos.group_by("outcome").len().sort("outcome").iter_rows())
    return StageReport(
        rows=counts,
        metrics={
            "frames": sum(len(video.timeline.pts_ns) for video in read.values()),
            "cuts_and_fades": sum(
                shot.ends_in is not None for video in read.values() for shot in video.shots
            ),
            "videos_with_truth": int(videos["has_truth"].sum()),
            "seconds_of_video": round(
                int(videos.filter(outcome="ok")["duration_ns"].sum()) / 1e9, 3
            ),
        },
    )


def _ingest(job: _IngestJob) -> _Ingested:
    video_id, name = job.row["file_id"], job.row["name"]
    file = job.out / "files" / f"{video_id}{_extension(name)}"
    sidecar = job.row["sidecar"]
    truth = job.out / "files" / f"{video_id}{TRUTH_SUFFIX}" if sidecar else None
    try:
        _fetch(job, job.row, file)
        if truth is not None:
            _fetch(job, sidecar, truth)
        read = read_video(
            file, FileBudget.of(job.params.landing), job.params.clips, job.params.shots
        )
        if truth is not None:
            _check_truth(truth, Path(sidecar["relpath"]).name, read.timeline)
    except _MissingFileError as gone:
        return _not_kept(job, "failed", str(gone))
    return _Ingested(
        row=_video_row(job.row, file=file, truth=truth) | _measured(read.seen, read.timeline),
        read=read,
    )


def _write_read(out: Path, read: Mapping[str, ReadVideo]) -> None:
    """Write what was read from the pictures: frames, shots and samples, by video."""
    frames = [
        pl.DataFrame(
            {"frame_index": range(len(video.timeline.pts_ns)), "pts_ns": video.timeline.pts_ns}
        ).select(pl.lit(video_id).alias("video_id"), "frame_index", "pts_ns")
        for video_id, video in read.items()
    ]
    write_table(
        out / "frames.parquet",
        pl.concat([pl.DataFrame(schema=FRAME_SCHEMA), *frames]),
        sort_by=["video_id", "frame_index"],
    )
    shots = [
        {
            "video_id": video_id,
            "first_frame": shot.first,
            "end_frame": shot.end,
            "ends_in": shot.ends_in and shot.ends_in.kind,
            "next_frame": shot.ends_in and shot.ends_in.end,
        }
        for video_id, video in read.items()
        for shot in video.shots
    ]
    write_table(
        out / "shots.parquet",
        pl.DataFrame(shots, schema=SHOT_SCHEMA),
        sort_by=["video_id", "first_frame"],
    )
    samples: dict[str, np.ndarray] = {}
    for video_id, video in read.items():
        samples[f"{video_id}.rgb_nhw3"] = video.samples_nhw3
        samples[f"{video_id}.frame_index"] = video.sample_index
    write_arrays(out / "samples.safetensors", samples)


def _not_kept(job: _IngestJob, outcome: str, reason: str) -> _Ingested:
    """The row of a file that is not kept; copies of it are removed."""
    for copied in (job.out / "files").glob(f"{job.row['file_id']}.*"):
        copied.unlink()
    return _Ingested(row=_video_row(job.row) | {"outcome": outcome, "reason": reason})


def _fetch(job: _IngestJob, wanted: Mapping[str, Any], target: Path) -> None:
    """Copy a file of the manifest from the inbox, or else from the published stage folder.

    Raises:
        _MissingFileError: neither has a file with the hash of the manifest.

    """
    found = False
    if job.inbox is not None:
        source = inside(job.inbox, wanted["relpath"])
        found = source.is_file()
        if found and _copy(source, target) == wanted["sha256"]:
            return
    if job.previous is not None:
        source = job.previous / "files" / target.name
        if source.is_file() and _copy(source, target) == wanted["sha256"]:
            return
    what = "has changed since it landed" if found else "is no longer in the inbox"
    raise _MissingFileError(
        f"{wanted['relpath']} {what}; put the landed file back and run this stage again"
    )


def _copy(source: Path, target: Path) -> str:
    """Copy and return the SHA-256 of the bytes that were written."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _check_truth(path: Path, name: str, timeline: Timeline) -> None:
    from p4d import truth  # only videos with truth need it
    from p4d.worlds.truth import check_against

    width_px, height_px = timeline.size_px
    found = truth.read(path, name)
    check_against(found, timeline.pts_ns, width_px, height_px)
    truth.check_maps(found)


def _extension(name: str) -> str:
    """A plain lower-case extension; the full name is in the table."""
    suffix = Path(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix, re.ASCII) else ".bin"


def _video_row(
    landed: Mapping[str, Any],
    *,
    file: Path | None = None,
    truth: Path | None = None,
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(VIDEO_SCHEMA)
    return row | {
        "video_id": landed["file_id"],
        "name": landed["name"],
        "sha256": landed["sha256"],
        "bytes": landed["bytes"],
        "file": file and f"files/{file.name}",
        "sidecar_file": truth and f"files/{truth.name}",
        "container": landed["container"],
        "licence": landed["licence"],
        "source": landed["source"],
        "has_truth": truth is not None,
        "outcome": landed["outcome"],
        "reason": landed["reason"],
    }


def _measured(seen: Probe, timeline: Timeline) -> dict[str, Any]:
    first_ns, last_ns = int(timeline.pts_ns[0]), int(timeline.pts_ns[-1])
    n_frames = len(timeline.pts_ns)
    return {
        "container": seen.container,
        "codec": seen.codec,
        "pix_fmt": seen.pix_fmt,
        "width_px": seen.width_px,
        "height_px": seen.height_px,
        "rotation_deg": seen.rotation_deg,
        "duration_ns": timeline.end_ns - first_ns,
        "n_frames": n_frames,
        "fps_mean": round((n_frames - 1) * 1e9 / (last_ns - first_ns), 6) if n_frames > 1 else None,
        "is_vfr": timeline.is_vfr,
        "note": "; ".join(seen.notes) or None,
    }
