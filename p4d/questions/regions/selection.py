"""Which candidate regions are kept, and which mark each gets."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from p4d.config import RegionsParams
from p4d.ids import content_id
from p4d.questions.regions.marks import MAX_MARKS
from p4d.questions.regions.tracks import Track


@dataclass(frozen=True)
class Region:
    """A candidate region. `mark` is its number in images and texts, or None if it was left out."""

    region_id: str
    mark: int | None
    track: Track
    area_px: int
    visible_frames: int
    reason: str | None


def select_regions(clip_id: str, tracks: list[Track], params: RegionsParams) -> list[Region]:
    """Keep tracks that are large enough and visible long enough, and number them.

    At most `max_regions` are kept: the largest in the first frame. The numbers follow the ids,
    which are hashes, so that a number is unrelated to size and to the order of instances.
    """
    candidates: list[tuple[Track, str, int, int, str | None]] = []
    for track in tracks:
        least_px = params.min_area_px if track.least_area_px is None else track.least_area_px
        areas_t = track.mask_thw.reshape(len(track.mask_thw), -1).sum(axis=1)
        area_px = int(areas_t[0])
        # A quarter of the minimum area: visible, though partly hidden or turned.
        visible_frames = int((areas_t >= max(1, least_px // 4)).sum())
        reason = track.reason
        if reason is None and area_px < least_px:
            reason = f"first-frame area below {least_px} px"
        elif reason is None and visible_frames < params.min_visible_frames:
            reason = f"visible in fewer than {params.min_visible_frames} frames"
        region_id = content_id("reg", clip_id, track.source, track.key)
        candidates.append((track, region_id, area_px, visible_frames, reason))
    limit = min(params.max_regions, MAX_MARKS)
    good = sorted((j for j in candidates if j[4] is None), key=lambda j: (-j[2], j[1]))
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
        for track, region_id, area_px, visible_frames, reason in candidates
    ]


def marked_regions(regions: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the region ids of each clip in the order of their marks."""
    kept = regions.filter(pl.col("outcome") == "ok").sort(["clip_id", "mark"])
    grouped = kept.group_by("clip_id", maintain_order=True).agg("region_id")
    return {clip_id: tuple(ids) for clip_id, ids in grouped.iter_rows()}
