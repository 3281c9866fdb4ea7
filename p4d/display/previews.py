"""Draws frames and regions of a shard as PNG bytes, for the asset pages and for notebooks.

Each function takes `{stage name: folder}` for a stage and its inputs; the stage itself is the last
entry. Nothing here is an artifact, and no stage reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.drawing import TILE_PX, Encode, notice, quick_png, sheet

Folders = Mapping[str, Path]

_CLIP_PX = 140  # eight frames in a row
_REGION_PX = 224
_SHARES = ("first frame", "at one third", "at two thirds", "last frame")


def regions_rgb(rgb_hw3: np.ndarray, masks_khw: np.ndarray) -> np.ndarray:
    """A frame with its regions outlined in the colours of their marks; u8 [H, W, 3]."""
    from p4d.questions.regions.marks import COLOURS_RGB

    out = rgb_hw3.copy()
    for k, mask in enumerate(masks_khw.astype(bool)):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        out[mask & ~inner] = COLOURS_RGB[k % len(COLOURS_RGB)]
    return out


def frames_strip(rgb_thw3: np.ndarray, *, tile_px: int = TILE_PX) -> bytes:
    """The sampled frames of one clip side by side, as PNG."""
    return quick_png(sheet([list(rgb_thw3)], tile_px=tile_px))


def clips_sheet(folders: Folders, clips: int = 6, encode: Encode = quick_png) -> bytes:
    """Frames of some clips of a shard, one clip per row."""
    folder = folders["clips"]
    table = read_table(folder / "clips.parquet")
    chosen = _spread(table.filter(pl.col("outcome") == "ok").sort("clip_id"), clips)
    if chosen.is_empty():
        return notice("no accepted clip in this shard")
    frames = Arrays(folder / "frames.safetensors")
    rows = [list(frames[f"{clip_id}.rgb_thw3"]) for clip_id in chosen["clip_id"]]
    captions = [
        f"{row['clip_id']}  {row['start_ns'] / 1e9:.2f}-{row['end_ns'] / 1e9:.2f} s  "
        f"{row['scale_kind']}"
        for row in chosen.iter_rows(named=True)
    ]
    return encode(sheet(rows, captions=captions, tile_px=_CLIP_PX))


def regions_sheet(folders: Folders, clips: int = 4, encode: Encode = quick_png) -> bytes:
    """The marked first frame and the tracked masks of some clips of a shard."""
    folder = folders["regions"]
    regions = read_table(folder / "regions.parquet").filter(pl.col("outcome") == "ok")
    chosen = _spread(regions.select("clip_id").unique().sort("clip_id"), clips)
    if chosen.is_empty():
        return notice("no region in this shard")
    return encode(_regions_drawn(folders, chosen["clip_id"].to_list(), regions))


def clip_regions(folders: Folders, clip_id: str) -> bytes:
    """The marked first frame and the tracked masks of one clip, as PNG."""
    regions = read_table(folders["regions"] / "regions.parquet").filter(pl.col("outcome") == "ok")
    return quick_png(_regions_drawn(folders, [clip_id], regions))


def _regions_drawn(folders: Folders, clip_ids: Sequence[str], regions: pl.DataFrame) -> np.ndarray:
    frames = Arrays(folders["clips"] / "frames.safetensors")
    folder = folders["regions"]
    masks, marks = Arrays(folder / "masks.safetensors"), Arrays(folder / "marks.safetensors")
    rows, captions = [], []
    titles = ("first frame, marked", *(f"outlines, {share}" for share in _SHARES))
    for clip_id in clip_ids:
        rgb_thw3, masks_kthw = frames[f"{clip_id}.rgb_thw3"], masks[f"{clip_id}.masks_kthw"]
        shown = np.linspace(0, len(rgb_thw3) - 1, 4).round().astype(int)
        outlined = [regions_rgb(rgb_thw3[t], masks_kthw[:, t]) for t in shown]
        rows.append([marks[f"{clip_id}.marks_hw3"], *outlined])
        own = regions.filter(pl.col("clip_id") == clip_id).sort("mark")
        named = [f"{r['mark']} {r['name'] or r['source']}" for r in own.iter_rows(named=True)]
        captions.append(f"{clip_id}  {', '.join(named)}")
    return sheet(rows, captions=captions, titles=titles, tile_px=_REGION_PX)


def _spread(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """`count` evenly spaced rows, so that a sheet shows more than one video."""
    if len(table) <= count:
        return table
    return table[np.linspace(0, len(table) - 1, count).round().astype(int).tolist()]
