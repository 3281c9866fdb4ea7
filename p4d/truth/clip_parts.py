"""What the truth of each clip gives: `truth_parts.parquet` beside `clips.parquet`.

The table has a row for every clip whose truth came in parts. A clip with truth and no row has a
truth of the first format, which gives everything. The file is there only if it has rows, so
artifacts of simulated worlds are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table

PARTS_FILE = "truth_parts.parquet"

PARTS_SCHEMA: dict[str, pl.DataType] = {
    "clip_id": pl.String(),
    "gives": pl.List(pl.String()),
    "scale": pl.String(),
    "up": pl.String(),
    "times": pl.String(),
    "background": pl.String(),
    "depth_sigma_ratio": pl.Float64(),
    "pose_sigma_m": pl.Float64(),
    "camera_frames": pl.Int64(),
    "depth_frames": pl.Int64(),
    "instance_frames": pl.Int64(),
}
"""`gives`: arrays of the clip in truth.safetensors, by the names of `CLIP_PARTS`."""

CLIP_PARTS = (
    "depth", "camera", "intrinsics", "instances", "object_poses", "object_sizes", "flow", "motion",
)  # fmt: skip
"""What a clip may have. Camera: at least one pose; flow: stored, or derived from the rest;
motion: derived, where it is known for every pixel what moves."""


@dataclass(frozen=True, kw_only=True)
class ClipParts:
    """What the truth of a clip gives.

    Attributes:
        gives: names of `CLIP_PARTS`.
        scale, up, times, background: as the sidecar states them (p4d/truth/parts.py).
        depth_sigma_ratio, pose_sigma_m: errors, one sigma.
        camera_frames, depth_frames, instance_frames: frames of the clip that have these.
    """

    gives: frozenset[str]
    scale: str = "metric"
    up: str = "z"
    times: str = "measured"
    background: str = "still"
    depth_sigma_ratio: float = 0.0
    pose_sigma_m: float = 0.0
    camera_frames: int | None = None
    depth_frames: int | None = None
    instance_frames: int | None = None

    @property
    def metric(self) -> bool:
        """Whether lengths are in metres."""
        return self.scale == "metric"

    @property
    def scale_kind(self) -> str:
        """`metric` if something is known in metres, else `relative`."""
        lengths = {"depth", "camera", "object_poses", "object_sizes"}
        return "metric" if self.metric and self.gives & lengths else "relative"

    def row(self, clip_id: str) -> dict[str, Any]:
        """The row of the table."""
        gives = [part for part in CLIP_PARTS if part in self.gives]
        return {"clip_id": clip_id, **vars(self), "gives": gives}

    @property
    def up_known(self) -> bool:
        """Whether world +z points up."""
        return self.up == "z"

    @property
    def timed(self) -> bool:
        """Whether frame times were measured, so that seconds may be asked for."""
        return self.times == "measured"


WHOLE = ClipParts(gives=frozenset(CLIP_PARTS))
"""The truth of a simulated world."""

NONE = ClipParts(gives=frozenset())
"""A clip without truth."""


def read_parts(clips: Path) -> Mapping[str, ClipParts]:
    """What the truth of each clip of a shard gives, by clip id; a clip without truth gives nothing.

    Args:
        clips: folder of the stage `clips` of one shard.
    """
    table = read_table(clips / "clips.parquet", ["clip_id", "has_truth"])
    found = {clip_id: WHOLE if has_truth else NONE for clip_id, has_truth in table.iter_rows()}
    return found | stated_parts(clips)


def stated_parts(clips: Path) -> dict[str, ClipParts]:
    """What the truth of each clip gives whose truth came in parts, by clip id."""
    path = clips / PARTS_FILE
    if not path.is_file():
        return {}
    return {row["clip_id"]: _parts(row) for row in read_table(path).iter_rows(named=True)}


def _parts(row: Mapping[str, Any]) -> ClipParts:
    named = {name: value for name, value in row.items() if name != "clip_id"}
    return ClipParts(**{**named, "gives": frozenset(row["gives"])})
