"""Stage `regions`: tracked masks, numbered marks and the marked image of the first frame.

Clips with truth have one candidate region per instance. For real clips, candidates are things that
certainly move by themselves (`flow/`), what a detector and a tracker find for some keywords, or the
components of the expert's motion map, tracked over frames by overlap. The sources of
`regions.sources` are tried in order until one gives a usable region; the candidates of all sources
that were tried become rows. Only the masks of the first frame reach a model (arXiv 2512.17012,
section 5); the others are used for facts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table, write_arrays, write_json, write_table
from p4d.config import RegionsParams
from p4d.errors import P4DError
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.outcomes import ClipOutcome, write_outcomes
from p4d.questions.regions.flow.paths_file import PATHS, clip_paths
from p4d.questions.regions.marks import draw_marks
from p4d.questions.regions.selection import Region, select_regions
from p4d.questions.regions.sources import TrackSource

SCHEMA: dict[str, Any] = {
    "region_id": pl.String,
    "clip_id": pl.String,
    "mark": pl.Int64,
    "source": pl.String,
    "instance": pl.Int64,
    "name": pl.String,
    "area_px": pl.Int64,
    "visible_frames": pl.Int64,
    "outcome": pl.String,
    "reason": pl.String,
}


def build_regions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `regions.parquet`, `masks.safetensors` and `marks.safetensors` of one shard.

    `paths.safetensors` has what source `flow` measured (`flow/paths_file.py`) of clips without
    truth, if there are any.
    `checkpoints.json` has the SHA-256 of the pretrained networks, if a clip needed them.
    `outcomes.parquet` records for each clip whether it has regions. A clip whose labels are missing
    or unreadable has none and its outcome is failed; the other clips of the shard are not affected.
    """
    params: RegionsParams = inputs.params("regions")
    clips = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    frames = Arrays(inputs.folder("clips") / "frames.safetensors")
    tracks_of = TrackSource(
        inputs.folder("clips"), inputs.folder("labels"), lambda: inputs.folder("videos"), params
    )
    rows: list[dict[str, Any]] = []
    masks: dict[str, np.ndarray] = {}
    marks: dict[str, np.ndarray] = {}
    outcomes: list[ClipOutcome] = []
    paths: dict[str, np.ndarray] = {}
    clip_rows = clips.sort("clip_id").to_dicts()
    for done, clip in enumerate(clip_rows):
        clip_id = clip["clip_id"]
        rgb_thw3 = frames[f"{clip_id}.rgb_thw3"]
        failure = None
        try:
            tracks = tracks_of(clip, rgb_thw3)
            motion = tracks_of.motion(clip, rgb_thw3)
        except (P4DError, KeyError) as error:
            failure = str(error)
            tracks, motion = [], None
        regions = select_regions(clip_id, tracks, params)
        kept = sorted((r for r in regions if r.mark is not None), key=lambda r: r.mark or 0)
        empty = np.zeros((0, *rgb_thw3.shape[:3]), dtype=np.uint8)
        masks_kthw = np.stack([r.track.mask_thw for r in kept]).astype(np.uint8) if kept else empty
        masks[f"{clip_id}.masks_kthw"] = masks_kthw
        marks[f"{clip_id}.marks_hw3"] = draw_marks(rgb_thw3[0], masks_kthw[:, 0])
        if motion is not None:
            keys = [int(r.track.key) for r in kept if r.track.source == "flow"]
            paths |= clip_paths(clip_id, motion, keys)
        rows.extend(_row(clip_id, region) for region in regions)
        outcomes.append(_outcome(clip_id, regions, failure))
        inputs.progress(done + 1, len(clip_rows), f"{clip_id}: {failure}" if failure else clip_id)
    write_table(
        out / "regions.parquet", pl.DataFrame(rows, schema=SCHEMA), sort_by=["clip_id", "region_id"]
    )
    write_arrays(out / "masks.safetensors", masks)
    write_arrays(out / "marks.safetensors", marks)
    if paths:
        write_arrays(out / PATHS, paths)
    if tracks_of.file_digests:
        write_json(out / "checkpoints.json", tracks_of.file_digests)
    counts = write_outcomes(out, outcomes)
    return StageReport(
        rows=counts,
        metrics={
            "clips": len(clip_rows),
            "clips_with_regions": counts["ok"],
            "regions": sum(row["outcome"] == "ok" for row in rows),
        },
    )


def _outcome(clip_id: str, regions: list[Region], failure: str | None) -> ClipOutcome:
    if failure is not None:
        return ClipOutcome(clip_id, "failed", failure)
    if any(region.mark is not None for region in regions):
        return ClipOutcome(clip_id, "ok")
    reasons = sorted({region.reason for region in regions if region.reason})
    return ClipOutcome(clip_id, "filtered", f"no region: {'; '.join(reasons) or 'nothing found'}")


def _row(clip_id: str, region: Region) -> dict[str, Any]:
    return {
        "region_id": region.region_id,
        "clip_id": clip_id,
        "mark": region.mark,
        "source": region.track.source,
        "instance": region.track.instance,
        "name": region.track.name,
        "area_px": region.area_px,
        "visible_frames": region.visible_frames,
        "outcome": "filtered" if region.reason else "ok",
        "reason": region.reason,
    }
