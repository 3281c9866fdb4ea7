"""Simulated clips without a codec: worlds rendered on the clip grid, as a `clips` shard.

Studies need thousands of clips with exact truth; encoding and decoding a video for each would cost
most of the time. Tables and arrays are those of stage `clips`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.artifacts import write_arrays, write_table
from p4d.config import ClipsParams
from p4d.ids import content_id
from p4d.workers import spawn_pool
from p4d.worlds.renderer import WorldVideo, render
from p4d.worlds.retimed import STEP_S, retimed_spec, takes_of
from p4d.worlds.sampling import spec_for

CLIPS_PER_WORLD = 2
_BETWEEN_TAKES_NS = 10_000_000_000


@dataclass(frozen=True)
class _Task:
    """One world; its clips follow one another without a gap, or are takes (retimed.py)."""

    seed: int
    shard: str
    params: ClipsParams
    retimed: bool


def write_clip_shard(
    folder: Path,
    seeds: Sequence[int],
    params: ClipsParams,
    *,
    shard: str,
    retimed: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render `CLIPS_PER_WORLD` clips of each seed's world and write a `clips/<shard>` folder.

    With `retimed`, the clips of a world are its takes: equal pictures at other times.
    Equal arguments give equal bytes for any number of workers.

    Raises:
        ConfigError: no OpenGL backend is installed (see p4d/worlds/gl.py).
    """
    tasks = [_Task(seed, shard, params, retimed) for seed in seeds]
    rows: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    pictures: dict[str, NDArray] = {}
    truths: dict[str, NDArray] = {}
    for done, (new_rows, new_objects, frames, truth) in enumerate(_render_all(tasks, workers), 1):
        rows += new_rows
        objects += new_objects
        pictures |= frames
        truths |= truth
        progress(done, len(tasks))
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


_Rendered = tuple[
    list[dict[str, Any]], list[dict[str, Any]], dict[str, NDArray], dict[str, NDArray]
]


def _render_all(tasks: Sequence[_Task], workers: int) -> Iterator[_Rendered]:
    if workers <= 1 or len(tasks) < 2:
        yield from map(_render_task, tasks)
        return
    with spawn_pool(workers) as pool:
        yield from pool.map(_render_task, tasks, chunksize=4)


def _render_task(task: _Task) -> _Rendered:
    rows: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    pictures: dict[str, NDArray] = {}
    truths: dict[str, NDArray] = {}
    frames = task.params.frames
    video_id = "vid_" + hashlib.sha256(f"world {task.seed}".encode()).hexdigest()[:16]
    for part, (video, times) in enumerate(_takes(task) if task.retimed else _parts(task)):
        truth = video.truth.resample(range(frames), task.params.size_px)
        clip_id = content_id("clip", video_id, times.start_ns, times.end_ns)
        pictures[f"{clip_id}.rgb_thw3"] = video.rgb_thw3
        truths |= {f"{clip_id}.{name}": array for name, array in truth.arrays().items()}
        grey = video.rgb_thw3.astype(np.float32).mean(axis=-1)
        rows.append(
            {
                "clip_id": clip_id,
                "video_id": video_id,
                "shard": task.shard,
                "start_ns": times.start_ns,
                "end_ns": times.end_ns,
                "frame_index": [part * frames + t for t in range(frames)],
                "frame_pts_ns": list(times.pts_ns),
                "has_truth": True,
                "scale_kind": "metric",
                "phash": hashlib.sha256(clip_id.encode()).hexdigest()[:16],
                "motion_energy": round(float(np.abs(np.diff(grey, axis=0)).mean()), 6),
                "outcome": "ok",
                "reason": None,
            }
        )
        objects += truth.object_rows(clip_id)
    return rows, objects, pictures, truths


@dataclass(frozen=True)
class _ClipTimes:
    start_ns: int
    end_ns: int
    pts_ns: tuple[int, ...]


def _parts(task: _Task) -> Iterator[tuple[WorldVideo, _ClipTimes]]:
    """Clips on the time grid that follow one another."""
    frames, step_ns = task.params.frames, round(1e9 / task.params.grid_hz)
    spec = spec_for(task.seed, CLIPS_PER_WORLD * frames / task.params.grid_hz)
    for part in range(CLIPS_PER_WORLD):
        pts_ns = [(part * frames + t) * step_ns for t in range(frames)]
        start_ns = part * frames * step_ns
        times = _ClipTimes(start_ns, start_ns + frames * step_ns, tuple(pts_ns))
        yield render(spec, pts_ns, task.params.size_px), times


def _takes(task: _Task) -> Iterator[tuple[WorldVideo, _ClipTimes]]:
    """The same pictures at the times of every take; a take ends a mean step after its last one."""
    frames, step_ns = task.params.frames, round(1e9 * STEP_S)
    spec = retimed_spec(task.seed, frames)
    video = render(spec, [t * step_ns for t in range(frames)], task.params.size_px)
    for number, take in enumerate(takes_of(task.seed, frames)):
        start_ns = number * _BETWEEN_TAKES_NS
        last_ns = start_ns + take.times_ns[-1]
        end_ns = last_ns + take.times_ns[-1] // (frames - 1)
        pts_ns = tuple(start_ns + time_ns for time_ns in take.times_ns)
        yield video, _ClipTimes(start_ns, end_ns, pts_ns)
