"""Stage `regions`: tracked masks, numbered marks and the marked picture of the first frame.

Clips with truth give one candidate region per instance. Real clips give what a detector and a
tracker find of some keywords (checkpoint_regions.py), or the components of the expert's motion map,
linked over frames by overlap. Sources are tried in the order of `regions.sources` until one gives a
usable region; candidates of all that were tried are rows. Only the first frame's masks reach a
model (arXiv 2512.17012, section 5); the others serve facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.config import RegionsParams
from p4d.errors import P4DError
from p4d.ids import content_id, seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.outcomes import ClipOutcome, write_outcomes
from p4d.questions.regions.marks import MAX_MARKS, dilate, draw_marks
from p4d.questions.regions.tracks import Track

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


@dataclass(frozen=True)
class Region:
    """A judged region. `mark` is its number in pictures and texts, or None if it has none."""

    region_id: str
    mark: int | None
    track: Track
    area_px: int
    visible_frames: int
    reason: str | None


def build_regions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `regions.parquet`, `masks.safetensors` and `marks.safetensors` of one shard.

    `outcomes.parquet` says of every clip whether it has regions. A clip whose labels are missing
    or unreadable keeps none and is failed; the other clips of the shard go on.
    """
    params: RegionsParams = inputs.params("regions")
    clips = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    frames = Arrays(inputs.folder("clips") / "frames.safetensors")
    tracks_of = _TrackSource(inputs.folder("clips"), inputs.folder("labels"), params)
    rows: list[dict[str, Any]] = []
    masks: dict[str, np.ndarray] = {}
    marks: dict[str, np.ndarray] = {}
    outcomes: list[ClipOutcome] = []
    clip_rows = clips.sort("clip_id").to_dicts()
    for done, clip in enumerate(clip_rows):
        clip_id = clip["clip_id"]
        rgb_thw3 = frames[f"{clip_id}.rgb_thw3"]
        failure = None
        try:
            tracks = tracks_of(clip, rgb_thw3)
        except (P4DError, KeyError) as error:
            failure = str(error)
            tracks = []
        regions = judge(clip_id, tracks, params)
        kept = sorted((r for r in regions if r.mark is not None), key=lambda r: r.mark or 0)
        empty = np.zeros((0, *rgb_thw3.shape[:3]), dtype=np.uint8)
        masks_kthw = np.stack([r.track.mask_thw for r in kept]).astype(np.uint8) if kept else empty
        masks[f"{clip_id}.masks_kthw"] = masks_kthw
        marks[f"{clip_id}.marks_hw3"] = draw_marks(rgb_thw3[0], masks_kthw[:, 0])
        rows.extend(_row(clip_id, region) for region in regions)
        outcomes.append(_outcome(clip_id, regions, failure))
        inputs.progress(done + 1, len(clip_rows), f"{clip_id}: {failure}" if failure else clip_id)
    write_table(
        out / "regions.parquet", pl.DataFrame(rows, schema=SCHEMA), sort_by=["clip_id", "region_id"]
    )
    write_arrays(out / "masks.safetensors", masks)
    write_arrays(out / "marks.safetensors", marks)
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


class _TrackSource:
    """Candidate regions of a clip from the configured sources."""

    def __init__(self, clips: Path, labels: Path, params: RegionsParams) -> None:
        self._params = params
        self._labels = labels
        self._store: Any = None
        self._checkpoint: Any = None
        truth = clips / "truth.safetensors"
        self._truth: Mapping[str, np.ndarray] = Arrays(truth) if truth.is_file() else {}
        objects = clips / "objects.parquet"
        self._objects: dict[str, list[dict[str, Any]]] = {}
        if objects.is_file():
            for row in read_table(objects).sort(["clip_id", "instance"]).to_dicts():
                self._objects.setdefault(row["clip_id"], []).append(row)

    def __call__(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        """Tracks of one row of `clips.parquet`, masks at the size of its frames."""
        tracks: list[Track] = []
        for source in self._params.sources:
            tracks += self._of(source, clip, rgb_thw3)
            if source == "truth" and clip["has_truth"]:
                break  # facts of a clip with truth are about objects that truth knows
            if any(region.mark for region in judge(clip["clip_id"], tracks, self._params)):
                break
        return tracks

    def _of(self, source: str, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        clip_id = clip["clip_id"]
        if source == "truth":
            if not clip["has_truth"]:
                return []
            instance_thw = self._truth[f"{clip_id}.instance_thw"]
            return [
                Track(
                    source="truth",
                    key=int(row["instance"]),
                    instance=int(row["instance"]),
                    name=row["name"],
                    mask_thw=instance_thw == row["instance"],
                )
                for row in self._objects.get(clip_id, [])
            ]
        if source == "checkpoint":
            return self._from_checkpoint(clip, rgb_thw3)
        if self._store is None:
            # Here, as truth-only shards need no label codec.
            from p4d.teachers.labelling.store import LabelStore

            self._store = LabelStore(self._labels)
        motion_thw = self._store.get(clip_id, "expert4d", "motion").astype(np.float32)
        resized_thw = nearest_resize(motion_thw, rgb_thw3.shape[1])
        return motion_tracks(resized_thw, self._params.motion_threshold)

    def _from_checkpoint(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        # Here, as nothing else of this stage needs torch.
        from p4d.determinism import deterministic
        from p4d.questions.regions.checkpoint import CheckpointTracks

        frame_ns = [pts_ns - clip["frame_pts_ns"][0] for pts_ns in clip["frame_pts_ns"]]
        with deterministic(self._params.threads, seed_for("regions")):
            if self._checkpoint is None:
                self._checkpoint = CheckpointTracks(self._params)
            found: list[Track] = self._checkpoint(rgb_thw3, frame_ns)
        return found


def marked_regions(regions: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Region ids per clip in the order of their marks."""
    kept = regions.filter(pl.col("outcome") == "ok").sort(["clip_id", "mark"])
    grouped = kept.group_by("clip_id", maintain_order=True).agg("region_id")
    return {clip_id: tuple(ids) for clip_id, ids in grouped.iter_rows()}


def judge(clip_id: str, tracks: list[Track], params: RegionsParams) -> list[Region]:
    """Keep tracks that are large and long enough, and number them.

    At most `max_regions` are kept, the largest in the first frame. Numbers follow the ids, which
    are hashes, so that a number tells neither size nor order of instances.
    """
    judged: list[tuple[Track, str, int, int, str | None]] = []
    for track in tracks:
        areas_t = track.mask_thw.reshape(len(track.mask_thw), -1).sum(axis=1)
        area_px = int(areas_t[0])
        # A quarter of the least area: enough to be seen, though partly hidden or turned.
        visible_frames = int((areas_t >= max(1, params.min_area_px // 4)).sum())
        reason = track.reason
        if reason is None and area_px < params.min_area_px:
            reason = f"first-frame area below {params.min_area_px} px"
        elif reason is None and visible_frames < params.min_visible_frames:
            reason = f"visible in fewer than {params.min_visible_frames} frames"
        region_id = content_id("reg", clip_id, track.source, track.key)
        judged.append((track, region_id, area_px, visible_frames, reason))
    limit = min(params.max_regions, MAX_MARKS)
    good = sorted((j for j in judged if j[4] is None), key=lambda j: (-j[2], j[1]))
    chosen = sorted(region_id for _, region_id, *_ in good[:limit])
    mark_of = {region_id: mark for mark, region_id in enumerate(chosen, start=1)}
    return [
        Region(
            region_id=region_id,
            mark=mark_of.get(region_id),
            track=track,
            area_px=area_px,
            visible_frames=visible_frames,
            reason=reason
            or (None if region_id in mark_of else f"more than {limit} regions; kept the largest"),
        )
        for track, region_id, area_px, visible_frames, reason in judged
    ]


def nearest_resize(maps_thw: np.ndarray, size_px: int) -> np.ndarray:
    """Square maps at another size, without mixing pixels."""
    nearest = np.arange(size_px) * maps_thw.shape[1] // size_px
    return maps_thw[:, nearest][:, :, nearest]


def motion_tracks(motion_thw: np.ndarray, threshold: float) -> list[Track]:
    """Components of a thresholded motion probability, linked over frames by overlap.

    A track starts in the first frame. In each next frame it takes the free component that overlaps
    it most, after growing the last mask by one pixel; without one it stays empty there and goes on
    looking from its last place. NaN counts as no motion.
    """
    above_thw = np.nan_to_num(motion_thw, nan=0.0) > threshold
    first = _components(above_thw[0])
    masks = [[component] for component in first]
    last = list(first)
    for above_hw in above_thw[1:]:
        free = _components(above_hw)
        overlaps = [
            (-int((dilate(last[track]) & component).sum()), track, index)
            for track in range(len(last))
            for index, component in enumerate(free)
        ]
        taken: dict[int, int] = {}
        used: set[int] = set()
        for negative, track, index in sorted(overlaps):
            if negative < 0 and track not in taken and index not in used:
                taken[track] = index
                used.add(index)
        for track, history in enumerate(masks):
            found = free[taken[track]] if track in taken else np.zeros_like(above_hw)
            history.append(found)
            if track in taken:
                last[track] = found
    return [
        Track(source="motion", key=key, instance=None, name=None, mask_thw=np.stack(history))
        for key, history in enumerate(masks)
    ]


def _components(mask_hw: np.ndarray) -> list[np.ndarray]:
    """4-connected components in scan order, by flooding from the first free pixel."""
    left_hw = mask_hw.copy()
    found = []
    while left_hw.any():
        seed_hw = np.zeros_like(left_hw)
        seed_hw.flat[int(left_hw.argmax())] = True
        while True:
            grown_hw = dilate(seed_hw) & left_hw
            if (grown_hw == seed_hw).all():
                break
            seed_hw = grown_hw
        found.append(seed_hw)
        left_hw &= ~seed_hw
    return found


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
