"""Stage `clips`: half-open intervals on a time grid, with sampled frames and resampled truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.config import ClipsParams
from p4d.errors import ContractError, TruthError
from p4d.ids import content_id
from p4d.origins import read_origins, write_origins
from p4d.pipeline import StageInputs, StageReport
from p4d.video.appearance import (
    contrast_levels,
    difference_hash,
    frame_hashes,
    grey_levels,
    motion_energy_levels,
)
from p4d.video.clip_plans import ClipPlan, plan_clips
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video
from p4d.video.shots import Shot, Transition

if TYPE_CHECKING:
    from p4d.truth import PartialTruth
    from p4d.truth.clip_truth import PartialClipTruth
    from p4d.worlds.sidecar import ClipTruth, WorldTruth

CLIP_SCHEMA: dict[str, pl.DataType] = {
    "clip_id": pl.String(),
    "video_id": pl.String(),
    "shard": pl.String(),
    "start_ns": pl.Int64(),
    "end_ns": pl.Int64(),
    "frame_index": pl.List(pl.Int64()),
    "frame_pts_ns": pl.List(pl.Int64()),
    "has_truth": pl.Boolean(),
    "scale_kind": pl.String(),
    "phash": pl.String(),
    "motion_energy": pl.Float64(),
    "outcome": pl.String(),
    "reason": pl.String(),
}
OBJECT_SCHEMA: dict[str, pl.DataType] = {
    "clip_id": pl.String(),
    "instance": pl.Int64(),
    "k": pl.Int64(),
    "name": pl.String(),
    "shape": pl.String(),
    "colour": pl.String(),
    "size_x_m": pl.Float64(),
    "size_y_m": pl.Float64(),
    "size_z_m": pl.Float64(),
    "motion": pl.String(),
}


FIT_SCHEMA: dict[str, pl.DataType] = {
    "clip_id": pl.String(),
    "video_id": pl.String(),
    "reading": pl.String(),
    "coverage": pl.Float64(),
    "error_levels": pl.List(pl.Float64()),
}
"""One row per reading of the truth (p4d/worlds/fit.py) of some clips of each video with truth."""

FITTED_CLIPS = 16
"""Clips of a shard to whose pictures the truth is fitted, at least one and at most four a video."""

HASH_SCHEMA: dict[str, pl.DataType] = {
    "clip_id": pl.String(),
    "frame_hash": pl.List(pl.String()),
    "mirrored_hash": pl.List(pl.String()),
}
"""Hashes of the frames of a usable clip, and of the same frames mirrored, for finding copies."""

SIZES = ("size_x_m", "size_y_m", "size_z_m")


@dataclass(frozen=True, kw_only=True)
class _ClipJob:
    video_id: str
    shard: str
    samples: Path
    sidecar: Path | None
    plans: tuple[ClipPlan, ...]
    params: ClipsParams
    fitted: int


@dataclass(frozen=True, kw_only=True)
class _ClipRows:
    rows: tuple[dict[str, Any], ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    frames: tuple[tuple[str, np.ndarray], ...] = ()
    truth: tuple[tuple[str, np.ndarray], ...] = ()
    fits: tuple[dict[str, Any], ...] = ()
    hashes: tuple[dict[str, Any], ...] = ()
    parts: tuple[dict[str, Any], ...] = ()


def build_clips(inputs: StageInputs, out: Path) -> StageReport:
    """Cut the accepted videos of one shard into clips.

    Writes `clips.parquet`, `frames.safetensors` ("{clip_id}.rgb_thw3", u8 [T,S,S,3]),
    `truth.safetensors`, `objects.parquet` and `truth_fit.parquet` (clips with exact truth: what
    the gates compare with the pictures), `truth_parts.parquet` (only if a truth came in parts: what
    that of each clip gives, p4d/truth/clip_parts.py), `frame_hashes.parquet` and, if the videos
    have it, `origins.parquet`. Only clips with outcome ok have arrays; a shard of rejected videos
    alone gives empty files of the same schema.

    Raises:
        ContractError: ingest rejected more than `clips.max_reject_ratio` of the landed videos.

    """
    params: ClipsParams = inputs.params("clips")
    folder, shard = inputs.folder("videos"), inputs.shard
    if shard is None:
        raise ContractError("stage clips works on one shard")
    videos = read_table(folder / "videos.parquet").sort("video_id")
    _check_reject_ratio(videos, params, shard)
    times = read_table(folder / "frames.parquet").sort("video_id", "frame_index")
    pts_ns = {key: part["pts_ns"].to_numpy() for (key,), part in times.group_by("video_id")}
    shots = _shots(read_table(folder / "shots.parquet"))
    with_truth = max(1, int(videos.filter(outcome="ok")["has_truth"].sum()))
    jobs = [
        _ClipJob(
            video_id=row["video_id"],
            shard=shard,
            samples=folder / "samples.safetensors",
            sidecar=folder / row["sidecar_file"] if row["sidecar_file"] else None,
            plans=tuple(
                plan_clips(
                    pts_ns[row["video_id"]], row["duration_ns"], shots[row["video_id"]], params
                )
            ),
            params=params,
            fitted=min(4, max(1, FITTED_CLIPS // with_truth)),
        )
        for row in videos.filter(outcome="ok").iter_rows(named=True)
    ]
    cuts: list[_ClipRows] = []
    outcomes = _outcomes(jobs, ProcessBudget.of(inputs.params("landing")))
    for done, (job, cut) in enumerate(zip(jobs, outcomes, strict=True), 1):
        cuts.append(_all_failed(job, cut.reason) if isinstance(cut, FileFault) else cut)
        inputs.progress(done, len(jobs), job.video_id)
    write_origins(out, read_origins(folder))
    return _write(out, cuts)


def _outcomes(jobs: Sequence[_ClipJob], budget: ProcessBudget) -> Iterator[_ClipRows | FileFault]:
    """Cut all videos, in order.

    A sidecar may be anybody's, so videos that have one are cut in processes of their own. The
    others are pictures that ingest made.
    """
    foreign = per_video(_cut_video, [job for job in jobs if job.sidecar], budget)
    for job in jobs:
        yield next(foreign) if job.sidecar else _cut_video(job)


def _check_reject_ratio(videos: pl.DataFrame, params: ClipsParams, shard: str) -> None:
    # Files that landing rejected are not counted; files that it accepted and ingest rejected are.
    landed = videos.filter(pl.col("container").is_not_null())
    rejected = landed.filter(pl.col("outcome") != "ok")
    if len(rejected) > params.max_reject_ratio * len(landed):
        reasons = rejected.group_by("reason").len().sort("len", "reason", descending=[True, False])
        raise ContractError(
            f"shard {shard}: {len(rejected)} of {len(landed)} landed videos were rejected by their "
            f"full decode, more than clips.max_reject_ratio = {params.max_reject_ratio:g}; most "
            f"frequent: {reasons['reason'][0]!r}. See videos.parquet of the shard; land repaired "
            "files, or raise the ratio if the losses are expected"
        )


def _clip_row(job: _ClipJob, plan: ClipPlan) -> dict[str, Any]:
    return {
        "clip_id": content_id("clip", job.video_id, plan.start_ns, plan.end_ns),
        "video_id": job.video_id,
        "shard": job.shard,
        "start_ns": plan.start_ns,
        "end_ns": plan.end_ns,
        "frame_index": list(plan.frame_index),
        "frame_pts_ns": list(plan.frame_pts_ns),
        "has_truth": job.sidecar is not None,
        "scale_kind": "metric" if job.sidecar is not None else "relative",
        "phash": None,
        "motion_energy": None,
        "outcome": "ok",
        "reason": None,
    }


def _all_failed(job: _ClipJob, reason: str) -> _ClipRows:
    return _ClipRows(rows=tuple(_clip_row(job, p) | _outcome("failed", reason) for p in job.plans))


def _outcome(outcome: str, reason: str) -> dict[str, str]:
    return {"outcome": outcome, "reason": reason}


def _cut_video(job: _ClipJob) -> _ClipRows:
    pictures = _sampled_frames(job)
    truth = _read_truth(job)
    cuts = [_cut_clip(job, plan, pictures, truth) for plan in job.plans]
    if truth is None:
        return _joined(cuts)
    return _joined([*cuts, _ClipRows(fits=tuple(_fit_rows(job, cuts, truth)))])


def _fit_rows(
    job: _ClipJob, cuts: Sequence[_ClipRows], truth: WorldTruth | PartialTruth
) -> Iterator[dict]:
    """Rows of truth_fit.parquet for some usable clips, spread over the video."""
    from p4d.truth.fit import fits_of

    usable = [cut for cut in cuts if cut.truth]
    count = min(job.fitted, len(usable))
    for cut in (usable[k * len(usable) // count] for k in range(count)):
        (row,), (_, rgb_thw3) = cut.rows, cut.frames[0]
        for fit in fits_of(truth, row["frame_index"], rgb_thw3):
            yield {
                "clip_id": row["clip_id"],
                "video_id": job.video_id,
                "reading": fit.reading,
                "coverage": round(fit.coverage, 6),
                "error_levels": [round(float(each), 4) for each in fit.error_levels],
            }


def _sampled_frames(job: _ClipJob) -> dict[int, np.ndarray]:
    """The frames that ingest sampled for the clips of a video, u8 [S,S,3] by source index."""
    samples = Arrays(job.samples)
    index = samples[f"{job.video_id}.frame_index"].tolist()
    return dict(zip(index, samples[f"{job.video_id}.rgb_nhw3"], strict=True))


def _shots(table: pl.DataFrame) -> dict[str, list[Shot]]:
    """The shots of each video, in order."""
    shots: dict[str, list[Shot]] = {}
    for row in table.sort("video_id", "first_frame").iter_rows(named=True):
        behind = None
        if row["ends_in"]:
            behind = Transition(row["ends_in"], row["end_frame"], row["next_frame"])
        shots.setdefault(row["video_id"], []).append(
            Shot(row["first_frame"], row["end_frame"], behind)
        )
    return shots


def _read_truth(job: _ClipJob) -> WorldTruth | PartialTruth | None:
    if job.sidecar is None:
        return None
    from p4d import truth  # only videos with truth need it

    return truth.read(job.sidecar)


def _cut_clip(
    job: _ClipJob,
    plan: ClipPlan,
    pictures: dict[int, np.ndarray],
    truth: WorldTruth | PartialTruth | None,
) -> _ClipRows:
    row = _clip_row(job, plan)
    clip_id, params = row["clip_id"], job.params
    if plan.problem:
        return _ClipRows(rows=(row | _outcome("filtered", plan.problem),))
    rgb_thw3 = np.stack([pictures[index] for index in plan.frame_index])
    grey_thw = grey_levels(rgb_thw3)
    row["phash"] = difference_hash(grey_thw)
    row["motion_energy"] = motion_energy_levels(grey_thw)
    if contrast_levels(grey_thw) < params.min_contrast_levels:
        return _ClipRows(rows=(row | _outcome("filtered", "blank: black or of one colour"),))
    if row["motion_energy"] < params.min_motion_levels:
        return _ClipRows(rows=(row | _outcome("filtered", "static: nothing changes"),))
    plain, mirrored = frame_hashes(grey_thw)
    hashes = {"clip_id": clip_id, "frame_hash": plain, "mirrored_hash": mirrored}
    frames = ((f"{clip_id}.rgb_thw3", rgb_thw3),)
    if truth is None:
        return _ClipRows(rows=(row,), frames=frames, hashes=(hashes,))
    from p4d.truth.reading import WHOLE, clip_truth

    try:
        exact, parts = clip_truth(truth, plan.frame_index, params.size_px)
    except TruthError as error:
        return _ClipRows(rows=(row | _outcome("failed", str(error)),))
    row |= {"has_truth": bool(parts.gives), "scale_kind": parts.scale_kind}
    return _ClipRows(
        rows=(row,),
        frames=frames,
        hashes=(hashes,),
        truth=tuple((f"{clip_id}.{name}", array) for name, array in exact.arrays().items()),
        objects=tuple(_object_rows(clip_id, exact)),
        parts=() if parts is WHOLE else (parts.row(clip_id),),
    )


def _object_rows(clip_id: str, exact: ClipTruth | PartialClipTruth) -> Iterator[dict[str, Any]]:
    """Rows of objects.parquet, with sizes in whole micrometres: a sidecar may hold any float."""
    for row in exact.object_rows(clip_id):
        sizes = {name: row[name] for name in SIZES if row[name] is not None}
        yield row | {name: round(float(size), 6) for name, size in sizes.items()}


def _joined(cuts: Sequence[_ClipRows]) -> _ClipRows:
    return _ClipRows(
        rows=tuple(row for cut in cuts for row in cut.rows),
        objects=tuple(row for cut in cuts for row in cut.objects),
        frames=tuple(item for cut in cuts for item in cut.frames),
        truth=tuple(item for cut in cuts for item in cut.truth),
        fits=tuple(row for cut in cuts for row in cut.fits),
        hashes=tuple(row for cut in cuts for row in cut.hashes),
        parts=tuple(row for cut in cuts for row in cut.parts),
    )


def _write(out: Path, cuts: Sequence[_ClipRows]) -> StageReport:
    everything = _joined(cuts)
    clips = pl.DataFrame(everything.rows, schema=CLIP_SCHEMA)
    objects = pl.DataFrame(everything.objects, schema=OBJECT_SCHEMA)
    write_table(out / "clips.parquet", clips, sort_by=["clip_id"])
    write_table(out / "objects.parquet", objects, sort_by=["clip_id", "instance"])
    write_table(
        out / "truth_fit.parquet",
        pl.DataFrame(everything.fits, schema=FIT_SCHEMA),
        sort_by=["clip_id", "reading"],
    )
    write_table(
        out / "frame_hashes.parquet",
        pl.DataFrame(everything.hashes, schema=HASH_SCHEMA),
        sort_by=["clip_id"],
    )
    if everything.parts:
        from p4d.truth.clip_parts import PARTS_FILE, PARTS_SCHEMA

        parts = pl.DataFrame(everything.parts, schema=PARTS_SCHEMA)
        write_table(out / PARTS_FILE, parts, sort_by=["clip_id"])
    write_arrays(out / "frames.safetensors", dict(everything.frames))
    write_arrays(out / "truth.safetensors", dict(everything.truth))
    ok = clips.filter(outcome="ok")
    return StageReport(
        rows=dict(clips.group_by("outcome").len().sort("outcome").iter_rows()),
        metrics={
            "videos": clips["video_id"].n_unique(),
            "clips_with_truth": int(ok["has_truth"].sum()),
        },
    )
