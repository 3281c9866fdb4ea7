"""What is known of one clip: frames, labels of every teacher, regions, facts, questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.errors import ContractError
from p4d.project import Project
from p4d.teachers.labelling.store import LABELS_FILE, LabelStore

MODALITIES = ("depth_thw", "valid_thw", "flow_px_thw2", "flow_valid_thw", "motion_thw")
CAMERA = ("world_T_cam_t44", "K_t33")


@dataclass(frozen=True, kw_only=True)
class ClipContents:
    """A clip and what was made of it.

    Attributes:
        clip_id, shard: the clip.
        rgb_thw3: u8 `[T, S, S, 3]`.
        times_s: `[T]` seconds since the start of the clip.
        labels: by teacher and name of the label store: depth, flow, motion, validity and cameras,
            as far as the teacher gives them; cameras are those of the map grid.
        masks_kthw: u8 0/1 `[K, T, S, S]` of the regions in use, in the order of their marks.
        regions: rows of regions.parquet in the order of their marks.
        facts, questions: rows of their tables.
    """

    clip_id: str
    shard: str
    rgb_thw3: np.ndarray
    times_s: np.ndarray
    labels: Mapping[str, Mapping[str, np.ndarray]]
    masks_kthw: np.ndarray
    regions: tuple[Mapping[str, Any], ...]
    facts: tuple[Mapping[str, Any], ...]
    questions: tuple[Mapping[str, Any], ...]


def clip_contents(project: Project, clip_id: str) -> ClipContents:
    """Read a clip; what was not made yet, or failed for this clip, is left out.

    Raises:
        ContractError: no published shard holds a usable clip of this id.
    """
    shard, row = _clip_row(project.data / "clips", clip_id)
    frames = Arrays(project.data / "clips" / shard / "frames.safetensors")[f"{clip_id}.rgb_thw3"]
    times_s = (np.asarray(row["frame_pts_ns"], np.int64) - row["start_ns"]) / 1e9
    regions = [
        each
        for each in _rows(project.data / "regions" / shard / "regions.parquet", clip_id)
        if each["outcome"] == "ok"
    ]
    return ClipContents(
        clip_id=clip_id,
        shard=shard,
        rgb_thw3=frames,
        times_s=times_s,
        labels=_labels(project.data / "labels" / shard, clip_id),
        masks_kthw=_masks(project.data / "regions" / shard / "masks.safetensors", clip_id, frames),
        regions=tuple(sorted(regions, key=lambda each: int(each["mark"]))),
        facts=tuple(_rows(project.data / "facts" / shard / "facts.parquet", clip_id)),
        questions=tuple(_rows(project.data / "questions" / shard / "questions.parquet", clip_id)),
    )


def _clip_row(folder: Path, clip_id: str) -> tuple[str, Mapping[str, Any]]:
    for path in sorted(folder.glob("*/clips.parquet")):
        for row in _rows(path, clip_id):
            if row["outcome"] != "ok":
                raise ContractError(f"{clip_id} has no frames: {row['outcome']}, {row['reason']}")
            return path.parent.name, row
    raise ContractError(
        f"no published shard holds {clip_id}; `p4d why {clip_id}` lists similar ids, and "
        "`p4d explore` all clips"
    )


def _rows(path: Path, clip_id: str) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return read_table(path).filter(pl.col("clip_id") == clip_id).to_dicts()


def _labels(folder: Path, clip_id: str) -> dict[str, dict[str, np.ndarray]]:
    if not (folder / LABELS_FILE).is_file():
        return {}
    store = LabelStore(folder)
    return {
        teacher: {
            name: store.get(clip_id, teacher, name)
            for name in (*MODALITIES, *CAMERA)
            if store.has(clip_id, teacher, name)
        }
        for labelled, teacher in store.labels()
        if labelled == clip_id
    }


def _masks(path: Path, clip_id: str, frames: np.ndarray) -> np.ndarray:
    name = f"{clip_id}.masks_kthw"
    if path.is_file() and name in (arrays := Arrays(path)):
        return arrays[name]
    return np.zeros((0, *frames.shape[:3]), np.uint8)
