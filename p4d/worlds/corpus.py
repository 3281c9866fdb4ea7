"""The simulated corpus: ordinary MP4 files, each with a truth sidecar and a source file.

A part of the videos has a variable frame rate. File names carry a digest of everything that shapes
the content, so a file that exists is complete and current and is not rendered again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.atomic import replacing
from p4d.config import WorldsParams
from p4d.encoding import write_mp4
from p4d.ids import content_id, seed_for
from p4d.sidecars import write_source
from p4d.workers import spawn_pool
from p4d.worlds import sidecar
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for

VARIABLE_RATE_SHARE = 1 / 3
LICENCE = "Apache-2.0"
"""Licence of the rendered videos: that of this code."""
_JITTER = 0.3  # largest shift of a frame, as a share of the mean interval


def write_corpus(
    inbox: Path, params: WorldsParams, progress: Callable[[int, int, str], None] | None = None
) -> list[Path]:
    """Write the videos of `params` into `inbox`, two at a time, and return their paths in order.

    Existing files are kept. `progress(done, total, file name)` is called per video.

    Raises:
        ConfigError: no OpenGL backend is installed (see p4d/worlds/gl.py).
    """
    jobs = []
    for index in range(params.videos):
        seed = seed_for(params.seed, "corpus", index)
        key = content_id("world", seed, params.size_px, params.duration_s, params.fps)
        jobs.append((inbox / f"world_{index:04d}_{key[-8:]}.mp4", seed))
    missing = [(path, seed) for path, seed in jobs if not _complete(path)]
    done = len(jobs) - len(missing)
    if missing:
        inbox.mkdir(parents=True, exist_ok=True)
        with spawn_pool(min(2, len(missing))) as pool:
            written = pool.map(
                write_world,
                [path for path, _ in missing],
                [seed for _, seed in missing],
                [params] * len(missing),
            )
            for path in written:
                done += 1
                if progress:
                    progress(done, len(jobs), path.name)
    return [path for path, _ in jobs]


def write_world(
    path: Path,
    seed: int,
    params: WorldsParams,
    *,
    appearance: str = "default",
    world_s: float | None = None,
    begin_s: float = 0.0,
) -> Path:
    """Render a world to `path` (MP4) with its truth and source files; equal seeds, equal bytes.

    Args:
        path: the video.
        seed: seed of the world.
        params: size, rate and duration of the video.
        appearance: see `spec_for`.
        world_s: duration over which motions are planned; default: the duration of the video.
        begin_s: time in the world at which the video begins.

    Raises:
        ConfigError: no OpenGL backend is installed (see p4d/worlds/gl.py), or there is no
            such appearance.
    """
    pts, time_base = frame_times(seed, params.duration_s, params.fps)
    begin_ns = round(begin_s * 1e9)
    times_ns = [begin_ns + round(int(tick) * time_base * 1_000_000_000) for tick in pts]
    spec = spec_for(seed, world_s or params.duration_s, appearance=appearance)
    video = render(spec, times_ns, params.size_px)
    truth = dataclasses.replace(video.truth, pts_ns=video.truth.pts_ns - begin_ns)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The video appears last and at once, so that landing never finds it without its sidecars.
    sidecar.write(sidecar.path_for(path), truth)
    write_source(path, licence=LICENCE, source=f"simulated by p4d, world {seed}")
    with replacing(path) as temporary:
        shown = zip(pts, video.rgb_thw3, strict=True)
        write_mp4(temporary, shown, time_base, _rate(params.fps))
    return path


def frame_times(seed: int, duration_s: float, fps: float) -> tuple[NDArray[np.int64], Fraction]:
    """Presentation times in ticks, and the tick in seconds; times lie in [0, duration_s).

    Most videos have a constant rate. The others have times in whole milliseconds, with jitter.
    """
    rng = np.random.default_rng(seed_for(seed, "frame times"))
    count = max(2, int(np.floor(duration_s * fps)))
    rate = _rate(fps)
    if rng.random() >= VARIABLE_RATE_SHARE:
        return np.arange(count, dtype=np.int64) * rate.denominator, Fraction(1, rate.numerator)
    interval_ms = 1000.0 / fps
    jitter_ms = rng.uniform(-_JITTER, _JITTER, count) * interval_ms
    jitter_ms[0] = 0.0
    ticks = np.rint(np.arange(count) * interval_ms + jitter_ms).astype(np.int64)
    return ticks, Fraction(1, 1000)


def _complete(path: Path) -> bool:
    return path.is_file() and sidecar.path_for(path).is_file()


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)
