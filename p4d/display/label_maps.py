"""Draws the labels of a clip, teacher beside teacher on the same scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.display.colour_keys import depth_key, flow_key, motion_key, with_keys
from p4d.drawing import Encode, depth_rgb, flow_rgb, motion_rgb, notice, quick_png, sheet

TITLES = ("frame", "depth", "flow to the frame before", "motion")
_TILE_PX = 192


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """The labels of one instant by one teacher.

    Attributes:
        pictures: frame, depth, flow and motion, u8 [H, W, 3] each; white for a modality that the
            teacher does not label.
        scales: what the colours stand for, in words.
    """

    pictures: Sequence[np.ndarray]
    scales: str


def label_rows(
    labels: Path, clip_id: str, teachers: Sequence[str], rgb_thw3: np.ndarray, frame: int = -1
) -> dict[str, LabelRow]:
    """One row for each teacher, on the scales that all of them share.

    Depths share a scale if all teachers label metric depth; a relative depth has its own.

    Args:
        labels: folder of a shard's labels.
        clip_id: the clip.
        teachers: whose labels to show.
        rgb_thw3: its frames.
        frame: which one; the default is the last, as the first has no flow.
    """
    from p4d.teachers.labelling.store import LabelStore

    store = LabelStore(labels)
    found = {teacher: store.get_all(clip_id, teacher) for teacher in teachers}
    kinds = _scale_kinds(labels, clip_id)
    ranges = _depth_ranges(found, kinds, frame)
    # Teachers may label at their own resolution, so lengths are compared as shares of the side.
    shares = [
        float(np.linalg.norm(flow, axis=-1)[valid].max()) / flow.shape[1]
        for flow, valid in (
            (of["flow_px_thw2"][frame], of["flow_valid_thw"][frame])
            for of in found.values()
            if "flow_px_thw2" in of
        )
        if valid.any()
    ]
    longest = max(shares, default=0.0)
    rows: dict[str, LabelRow] = {}
    for teacher, of in found.items():
        pictures, scales = [rgb_thw3[frame], *[np.full_like(rgb_thw3[frame], 255)] * 3], []
        if "depth_thw" in of:
            near, far = ranges[teacher]
            unit = "m" if kinds.get(teacher) == "metric" else "(relative, no unit)"
            depth, valid = of["depth_thw"][frame], of["valid_thw"][frame]
            pictures[1] = depth_rgb(depth, valid, near=near, far=far)
            scales.append(f"depth {near:.2f} to {far:.2f} {unit}")
        if "flow_px_thw2" in of:
            flow, shown = of["flow_px_thw2"][frame], of["flow_valid_thw"][frame]
            longest_px = longest * flow.shape[1]
            pictures[2] = flow_rgb(flow, shown, longest_px=longest_px)
            scales.append(f"longest flow {longest_px:.2f} px of {flow.shape[1]}")
        if "motion_thw" in of:
            pictures[3] = motion_rgb(of["motion_thw"][frame], rgb_thw3[frame])
        rows[teacher] = LabelRow(pictures=pictures, scales=", ".join(scales))
    return rows


def label_rows_picture(rows: Mapping[str, LabelRow], *, tile_px: int = _TILE_PX) -> bytes:
    """Rows of one clip under the names of their teachers, with colour keys, as PNG."""
    captions = [f"{teacher}: {row.scales}" for teacher, row in rows.items()]
    return quick_png(_drawn([row.pictures for row in rows.values()], captions, tile_px))


def labels_sheet(folders: Mapping[str, Path], clips: int = 4, encode: Encode = quick_png) -> bytes:
    """Depth, flow and motion of some clips of a shard, each teacher in its own row."""
    index = read_table(folders["labels"] / "index.parquet")
    labelled = index.filter(pl.col("outcome") == "ok").sort("clip_id", "teacher")
    names = labelled.select("clip_id").unique().sort("clip_id")
    if names.is_empty():
        return notice("no label in this shard")
    chosen = names[np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    frames = Arrays(folders["clips"] / "frames.safetensors")
    pictures, captions = [], []
    for clip_id in chosen["clip_id"]:
        teachers = labelled.filter(pl.col("clip_id") == clip_id)["teacher"].to_list()
        rgb_thw3 = frames[f"{clip_id}.rgb_thw3"]
        for teacher, row in label_rows(folders["labels"], clip_id, teachers, rgb_thw3).items():
            pictures.append(row.pictures)
            captions.append(f"{clip_id}  {teacher}: {row.scales}")
    return encode(_drawn(pictures, captions, _TILE_PX))


def _drawn(
    pictures: Sequence[Sequence[np.ndarray]], captions: Sequence[str], tile_px: int
) -> np.ndarray:
    drawn = sheet(pictures, captions=captions, titles=TITLES, tile_px=tile_px)
    return with_keys(drawn, [depth_key(), flow_key(), motion_key()])


def _scale_kinds(labels: Path, clip_id: str) -> dict[str, str]:
    index = read_table(labels / "index.parquet").filter(pl.col("clip_id") == clip_id)
    return dict(index.select("teacher", "scale_kind").iter_rows())


def _depth_ranges(
    found: Mapping[str, Mapping[str, np.ndarray]], kinds: Mapping[str, str], frame: int
) -> dict[str, tuple[float, float]]:
    """By teacher, the 2nd and 98th percentile of what shares its scale."""
    shown = {
        teacher: of["depth_thw"][frame][of["valid_thw"][frame].astype(bool)].ravel()
        for teacher, of in found.items()
        if "depth_thw" in of
    }
    metric = [depths for teacher, depths in shown.items() if kinds.get(teacher) == "metric"]
    ranges: dict[str, tuple[float, float]] = {}
    for teacher, own in shown.items():
        depths = np.concatenate(metric) if kinds.get(teacher) == "metric" else own
        near, far = np.percentile(depths, [2, 98]) if depths.size else (1.0, 1.0)
        ranges[teacher] = (float(near), float(far))
    return ranges
