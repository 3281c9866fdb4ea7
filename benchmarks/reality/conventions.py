"""Counts truths in another convention that the gates of stage `clips` catch, and good ones refused.

    python -m benchmarks.reality.conventions [--worlds 24]

Each convention is planted in the truth of rendered worlds; the pictures stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from benchmarks.reality import record
from p4d.artifacts import write_table
from p4d.geometry.cameras import inverse
from p4d.ids import seed_for
from p4d.quality.code_gates import (
    ALL_VIDEOS,
    truth_explains_the_pictures,
    truth_flow_covers_the_picture,
)
from p4d.video.appearance import area_mean
from p4d.video.clips import FIT_SCHEMA
from p4d.workers import spawn_pool
from p4d.worlds.fit import fits
from p4d.worlds.renderer import WorldVideo, render
from p4d.worlds.sampling import spec_for
from p4d.worlds.truth import WorldTruth

WORLDS = 24
SIDE_PX, CLIP_PX, FPS, FRAMES = 192, 64, 12, 24
CLIP = list(range(0, FRAMES, 3))


def _with_depth(truth: WorldTruth, change: Callable[[int], np.ndarray]) -> WorldTruth:
    frames = [(change(i).astype(np.float32), truth.frames[i][1]) for i in range(len(truth.pts_ns))]
    return replace(truth, frames=frames)


def _along_ray(truth: WorldTruth) -> WorldTruth:
    K = truth.K_t33[0]
    u = (np.arange(truth.width_px) + 0.5 - K[0, 2]) / K[0, 0]
    v = (np.arange(truth.height_px) + 0.5 - K[1, 2]) / K[1, 1]
    length_hw = np.sqrt(1 + u[None, :] ** 2 + v[:, None] ** 2)
    return _with_depth(truth, lambda i: truth.frames[i][0] * length_hw)


PLANTED: Mapping[str, Callable[[WorldTruth], WorldTruth]] = {
    "good": lambda truth: truth,
    "distance along the ray": _along_ray,
    "depth one frame late": lambda truth: _with_depth(
        truth, lambda i: truth.frames[max(0, i - 1)][0]
    ),
    "maps one frame late": lambda truth: replace(
        truth, frames=[truth.frames[max(0, i - 1)] for i in range(len(truth.pts_ns))]
    ),
    "world to camera": lambda truth: replace(truth, world_T_cam_t44=inverse(truth.world_T_cam_t44)),
    "OpenGL axes": lambda truth: replace(
        truth, world_T_cam_t44=truth.world_T_cam_t44 @ np.diag([1.0, -1.0, -1.0, 1.0])
    ),
    "depth in millimetres": lambda truth: _with_depth(truth, lambda i: truth.frames[i][0] * 1e3),
}


def world(number: int) -> WorldVideo:
    """A rendered world, alternately of the training and of the held-out appearance."""
    seed = seed_for("conventions", number)
    spec = spec_for(seed, 2.0, appearance=("default", "heldout")[number % 2])
    times_ns = [round(i * 1e9 / FPS) for i in range(FRAMES)]
    return render(spec, times_ns, SIDE_PX)


def fitted(video: WorldVideo, kind: str, number: int) -> list[dict[str, Any]]:
    """Rows of truth_fit.parquet of one world with a planted convention."""
    truth = PLANTED[kind](video.truth)
    rgb_thw3 = np.stack([area_mean(video.rgb_thw3[i], CLIP_PX, CLIP_PX) for i in CLIP])
    return [
        {
            "clip_id": f"clip_{number}",
            "video_id": f"vid_{number}",
            "reading": fit.reading,
            "coverage": fit.coverage,
            "error_levels": fit.error_levels.tolist(),
        }
        for fit in fits(truth, CLIP, rgb_thw3)
    ]


def caught(rows: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """Videos, or all of them together, that the two gates name."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        table = pl.DataFrame(rows, schema=FIT_SCHEMA)
        write_table(folder / "truth_fit.parquet", table, sort_by=["clip_id", "reading"])
        _, by_coverage = truth_flow_covers_the_picture("clips", {"clips": folder})
        _, by_picture = truth_explains_the_pictures("clips", {"clips": folder})
    return set(by_coverage["video_id"]), set(by_picture["video_id"])


def measure(number: int) -> dict[str, list[dict[str, Any]]]:
    """All planted conventions of one world."""
    video = world(number)
    return {kind: fitted(video, kind, number) for kind in PLANTED}


def _all(pool: ProcessPoolExecutor, worlds: int) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in PLANTED}
    for done, found in enumerate(pool.map(measure, range(worlds)), 1):
        print(f"{done} of {worlds}", flush=True)
        for kind, each in found.items():
            rows[kind] += each
    return rows


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    worlds = parser.parse_args().worlds
    with spawn_pool(2) as pool:
        rows = _all(pool, worlds)
    figures = {}
    for kind, of_kind in rows.items():
        by_coverage, by_picture = caught(of_kind)
        videos = (by_coverage | by_picture) - {ALL_VIDEOS}
        figures[kind] = {
            "videos_by_themselves": f"{len(videos)} of {worlds}",
            "by_coverage": len(by_coverage),
            "shard": bool(by_coverage or by_picture),
            "shard_as_a_whole": ALL_VIDEOS in by_picture,
        }
    record("conventions", figures, f"python -m benchmarks.reality.conventions --worlds {worlds}")


if __name__ == "__main__":
    main()
