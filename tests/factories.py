"""Real pipeline folders, made small: worlds rendered to clips, with no video in between."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import write_arrays, write_table
from p4d.ids import content_id
from p4d.worlds.scene import render, spec_for

SOURCE_FPS = 12
GRID_HZ = 4
CLIPS_PER_VIDEO = 2


def make_clips_dir(
    folder: Path,
    n_clips: int,
    seed: int = 0,
    size_px: int = 64,
    frames: int = 8,
    shard: str = "0000-00000000",
) -> Path:
    """Write a `clips/<shard>` folder as the clips stage would: two tables and two array files.

    Every two clips are halves of one simulated video. Different seeds give different videos.
    """
    rows, objects, pictures, truths = [], [], {}, {}
    step = SOURCE_FPS // GRID_HZ
    for index in range(n_clips):
        number, part = divmod(index, CLIPS_PER_VIDEO)
        first = part * frames * step
        frame_index = [first + step * t for t in range(frames)]
        pts_ns = [round(i * 1e9 / SOURCE_FPS) for i in frame_index]
        duration_s = CLIPS_PER_VIDEO * frames / GRID_HZ
        video = render(spec_for(1_000_000 * (seed + 1) + number, duration_s), pts_ns, size_px)
        truth = video.truth.resample(range(frames), size_px)
        video_id = "vid_" + hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()[:16]
        start_ns = part * round(frames / GRID_HZ * 1e9)
        end_ns = start_ns + round(frames / GRID_HZ * 1e9)
        clip_id = content_id("clip", video_id, start_ns, end_ns)
        pictures[f"{clip_id}.rgb_thw3"] = video.rgb_thw3
        truths |= {f"{clip_id}.{name}": array for name, array in truth.arrays().items()}
        grey = video.rgb_thw3.astype(np.float32).mean(axis=-1)
        rows.append(
            {
                "clip_id": clip_id,
                "video_id": video_id,
                "shard": shard,
                "start_ns": start_ns,
                "end_ns": end_ns,
                "frame_index": frame_index,
                "frame_pts_ns": pts_ns,
                "has_truth": True,
                "scale_kind": "metric",
                "phash": hashlib.sha256(clip_id.encode()).hexdigest()[:16],
                "motion_energy": round(float(np.abs(np.diff(grey, axis=0)).mean()), 6),
                "outcome": "ok",
                "reason": None,
            }
        )
        objects += [
            {
                "clip_id": clip_id,
                "instance": thing.instance,
                "k": thing.k,
                "name": thing.name,
                "shape": thing.shape,
                "colour": thing.colour,
                "size_x_m": thing.size_m[0],
                "size_y_m": thing.size_m[1],
                "size_z_m": thing.size_m[2],
                "motion": thing.motion,
            }
            for thing in truth.objects
        ]
    clips = pl.DataFrame(rows, schema_overrides={"reason": pl.String})
    write_table(folder / "clips.parquet", clips, sort_by=["clip_id"])
    write_table(
        folder / "objects.parquet",
        pl.DataFrame(objects, schema_overrides={"instance": pl.UInt8}),
        sort_by=["clip_id", "instance"],
    )
    write_arrays(folder / "frames.safetensors", pictures)
    write_arrays(folder / "truth.safetensors", truths)
    return folder
