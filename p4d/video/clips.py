"""Stage `clips`: half-open intervals on a time grid, with sampled frames and resampled truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table, write_arrays, write_table
from p4d.config import ClipsParams
from p4d.errors import ContractError, DecodeError, TruthError
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport
from p4d.video.appearance import (
    contrast_levels,
    difference_hash,
    grey_levels,
    motion_energy_levels,
)
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.decode import decode
from p4d.video.decoding.per_video import FileFault, per_video

if TYPE_CHECKING:
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


SIZES = ("size_x_m", "size_y_m", "size_z_m")


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """The interval of a clip in its video and the frames that it samples.

    Attributes:
        start_ns, end_ns: absolute in the video.
        frame_index, frame_pts_ns: source frames; empty if the clip is not inside.
        is_inside: whether the clip ends before the video does.
        fits_grid: whether all samples are distinct frames, and the first one is recent enough.
    """

    start_ns: int
    end_ns: int
    frame_index: tuple[int, ...]
    frame_pts_ns: tuple[int, ...]
    is_inside: bool
    fits_grid: bool


@dataclass(frozen=True, kw_only=True)
class _ClipJob:
    video_id: str
    shard: str
    file: Path
    sidecar: Path | None
    plans: tuple[ClipPlan, ...]
    params: ClipsParams


@dataclass(frozen=True, kw_only=True)
class _ClipRows:
    rows: tuple[dict[str, Any], ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    frames: tuple[tuple[str, np.ndarray], ...] = ()
    truth: tuple[tuple[str, np.ndarray], ...] = ()


def build_clips(inputs: StageInputs, out: Path) -> StageReport:
    """Cut the accepted videos of one shard into clips.

    Writes `clips.parquet`, `frames.safetensors` ("{clip_id}.rgb_thw3", u8 [T,S,S,3]),
    `truth.safetensors` and `objects.parquet` (clips with exact truth). Only clips with outcome ok
    have arrays; a shard of rejected videos alone gives empty files of the same schema.

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
    jobs = [
        _ClipJob(
            video_id=row["video_id"],
            shard=shard,
            file=folder / row["file"],
            sidecar=folder / row["sidecar_file"] if row["sidecar_file"] else None,
            plans=tuple(plan_clips(pts_ns[row["video_id"]], row["duration_ns"], params)),
            params=params,
        )
        for row in videos.filter(outcome="ok").iter_rows(named=True)
    ]
    cuts: list[_ClipRows] = []
    outcomes = per_video(_cut_video, jobs, ProcessBudget.of(inputs.params("landing")))
    for done, (job, cut) in enumerate(zip(jobs, outcomes, strict=True), 1):
        cuts.append(_all_failed(job, cut.reason) if isinstance(cut, FileFault) else cut)
        inputs.progress(done, len(jobs), job.video_id)
    return _write(out, cuts)


def plan_clips(pts_ns: np.ndarray, duration_ns: int, params: ClipsParams) -> Iterator[ClipPlan]:
    """Plan the clips of a video on its time grid.

    Clip k covers [start, start + length) with start = first pts + k * length. Sample i is the frame
    shown at start + i / grid_hz: the last one with pts at or before that instant. If there are more
    than `max_clips_per_video` clips, that many are taken, spread evenly. Otherwise the last clip
    may reach beyond the end of the video; `is_inside` is False then.

    Args:
        pts_ns: i64 [n], increasing.
        duration_ns: from the first pts to the end of the last frame.
        params: grid, frames per clip, limits.

    """
    length_ns, most = params.length_ns, params.max_clips_per_video
    # How long the last frame is shown is known to about half a frame.
    half_frame_ns = int(pts_ns[-1] - pts_ns[0]) // (2 * max(1, len(pts_ns) - 1))
    tolerance_ns = min(half_frame_ns, round(params.max_end_tolerance_s * 1e9))
    full, rest_ns = divmod(duration_ns + tolerance_ns, length_ns)
    if full > most:
        numbers = [k * full // most for k in range(most)]
    else:
        numbers = list(range(full))
        if full < most and rest_ns > 2 * tolerance_ns:
            numbers.append(full)
    steps_ns = [round(i * 1e9 / params.grid_hz) for i in range(params.frames)]
    max_first_age_ns = round(params.max_first_age_s * 1e9)
    for k in numbers:
        start_ns = int(pts_ns[0]) + k * length_ns
        # One nanosecond of slack, because times and grid are rounded separately.
        at = np.searchsorted(pts_ns, np.array(steps_ns) + start_ns + 1, side="right") - 1
        is_inside = k < full
        first_age_ns = start_ns - int(pts_ns[at[0]])
        yield ClipPlan(
            start_ns=start_ns,
            end_ns=start_ns + length_ns,
            frame_index=tuple(int(i) for i in at) if is_inside else (),
            frame_pts_ns=tuple(int(pts_ns[i]) for i in at) if is_inside else (),
            is_inside=is_inside,
            fits_grid=is_inside
            and len(np.unique(at)) == len(at)
            and first_age_ns <= max_first_age_ns,
        )


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
    return _joined(cuts)


def _sampled_frames(job: _ClipJob) -> dict[int, np.ndarray]:
    """The sampled frames of all clips, u8 [S,S,3] by source index, in one pass over the video."""
    wanted = {
        index: pts_ns
        for plan in job.plans
        for index, pts_ns in zip(plan.frame_index, plan.frame_pts_ns, strict=True)
    }
    size_px = job.params.size_px
    pictures: dict[int, np.ndarray] = {}
    if not wanted:
        return pictures
    for frame in decode(job.file):
        if frame.index in wanted:
            if frame.pts_ns != wanted[frame.index]:
                raise DecodeError(f"frame {frame.index} is not at the time that ingest recorded")
            pictures[frame.index] = frame.squashed(size_px)
        if len(pictures) == len(wanted):
            return pictures
    raise DecodeError(f"only {len(pictures)} of {len(wanted)} sampled frames were decoded")


def _read_truth(job: _ClipJob) -> WorldTruth | None:
    if job.sidecar is None:
        return None
    from p4d.worlds import sidecar  # only videos with truth need it

    return sidecar.read(job.sidecar)


def _cut_clip(
    job: _ClipJob, plan: ClipPlan, pictures: dict[int, np.ndarray], truth: WorldTruth | None
) -> _ClipRows:
    row = _clip_row(job, plan)
    clip_id, params = row["clip_id"], job.params
    if not plan.is_inside:
        return _ClipRows(rows=(row | _outcome("filtered", "reaches beyond the end of the video"),))
    if not plan.fits_grid:
        return _ClipRows(rows=(row | _outcome("filtered", "too few frames for the time grid"),))
    rgb_thw3 = np.stack([pictures[index] for index in plan.frame_index])
    grey_thw = grey_levels(rgb_thw3)
    row["phash"] = difference_hash(grey_thw)
    row["motion_energy"] = motion_energy_levels(grey_thw)
    if contrast_levels(grey_thw) < params.min_contrast_levels:
        return _ClipRows(rows=(row | _outcome("filtered", "blank: black or of one colour"),))
    if row["motion_energy"] < params.min_motion_levels:
        return _ClipRows(rows=(row | _outcome("filtered", "static: nothing changes"),))
    if truth is None:
        return _ClipRows(rows=(row,), frames=((f"{clip_id}.rgb_thw3", rgb_thw3),))
    try:
        exact = truth.resample(plan.frame_index, params.size_px)
    except TruthError as error:
        return _ClipRows(rows=(row | _outcome("failed", str(error)),))
    return _ClipRows(
        rows=(row,),
        frames=((f"{clip_id}.rgb_thw3", rgb_thw3),),
        truth=tuple((f"{clip_id}.{name}", array) for name, array in exact.arrays().items()),
        objects=tuple(_object_rows(clip_id, exact)),
    )


def _object_rows(clip_id: str, exact: ClipTruth) -> Iterator[dict[str, Any]]:
    """Rows of objects.parquet, with sizes in whole micrometres: a sidecar may hold any float."""
    for row in exact.object_rows(clip_id):
        yield row | {name: round(float(row[name]), 6) for name in SIZES}


def _joined(cuts: Sequence[_ClipRows]) -> _ClipRows:
    return _ClipRows(
        rows=tuple(row for cut in cuts for row in cut.rows),
        objects=tuple(row for cut in cuts for row in cut.objects),
        frames=tuple(item for cut in cuts for item in cut.frames),
        truth=tuple(item for cut in cuts for item in cut.truth),
    )


def _write(out: Path, cuts: Sequence[_ClipRows]) -> StageReport:
    everything = _joined(cuts)
    clips = pl.DataFrame(everything.rows, schema=CLIP_SCHEMA)
    objects = pl.DataFrame(everything.objects, schema=OBJECT_SCHEMA)
    write_table(out / "clips.parquet", clips, sort_by=["clip_id"])
    write_table(out / "objects.parquet", objects, sort_by=["clip_id", "instance"])
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
