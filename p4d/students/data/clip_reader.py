"""Frames, times and first-frame masks of clips, read from the shards that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.errors import ContractError


@dataclass(frozen=True)
class Visual:
    """The pictures of one clip.

    Attributes:
        frames: u8 `[1+T, S, S, 3]`: the marked picture of the first frame, then the clip.
        times_s: float64 `[1+T]`, seconds since the start of the clip; NaN for the marked picture.
        masks_khw: u8 0/1 `[K, S, S]`, regions in the first frame in the order of their marks.
            Later frames are left out because a track would reveal how a region moves.
            `[0, S, S]` without regions.
        span_s: seconds that the frames were sampled from; None: unknown.
    """

    frames: np.ndarray
    times_s: np.ndarray
    masks_khw: np.ndarray
    span_s: float | None = None


class ClipReader:
    """Reads pictures and times one clip at a time."""

    def __init__(self, clips: Mapping[str, Path], regions: Mapping[str, Path]) -> None:
        """Shard folders of the stages `clips` and `regions`."""
        self._clips, self._regions = clips, regions
        self._open: dict[Path, Arrays] = {}

    def read(self, shard: str, clip_id: str) -> Visual:
        """The pictures of one clip; without marked regions the plain first frame comes first.

        Raises:
            ContractError: the shard has no such clip.
        """
        if shard not in self._clips:
            raise ContractError(f"clip {clip_id}: shard {shard} is not among the inputs")
        frames = self._arrays(self._clips[shard] / "frames.safetensors")
        marks = self._arrays(self._regions[shard] / "marks.safetensors")
        name = f"{clip_id}.rgb_thw3"
        if name not in frames or clip_id not in self._times:
            raise ContractError(f"shard {shard} holds no frames of clip {clip_id}")
        clip = frames[name]
        marked = marks[f"{clip_id}.marks_hw3"] if f"{clip_id}.marks_hw3" in marks else clip[0]
        times = np.concatenate([[np.nan], self._times[clip_id]])
        masks = self._arrays(self._regions[shard] / "masks.safetensors")
        tracks = f"{clip_id}.masks_kthw"
        if tracks in masks:
            first = masks[tracks][:, 0]
        else:
            first = np.zeros((0, *clip.shape[1:3]), np.uint8)
        return Visual(np.concatenate([marked[None], clip]), times, first)

    def last_masks(self, shard: str, clip_id: str) -> np.ndarray:
        """As `Visual.masks_khw`, in the last frame: the first one of the clip in reverse."""
        masks = self._arrays(self._regions[shard] / "masks.safetensors")
        tracks = f"{clip_id}.masks_kthw"
        if tracks not in masks:
            return self.read(shard, clip_id).masks_khw
        last: np.ndarray = masks[tracks][:, -1]
        return last

    @cached_property
    def _times(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for folder in self._clips.values():
            table = read_table(folder / "clips.parquet").filter(pl.col("outcome") == "ok")
            for clip_id, start_ns, pts_ns in table.select(
                "clip_id", "start_ns", "frame_pts_ns"
            ).iter_rows():
                found[clip_id] = (np.asarray(pts_ns, np.int64) - start_ns) / 1e9
        return found

    def _arrays(self, path: Path) -> Arrays:
        if path not in self._open:
            self._open[path] = Arrays(path)
        return self._open[path]
