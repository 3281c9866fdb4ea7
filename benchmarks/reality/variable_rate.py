"""Questions about motion that videos of variable rate get, against a constant one.

    python -m benchmarks.reality.variable_rate [--worlds 32]

Every world is rendered twice, with its truth: at 12 frames a second, and at times that jitter by
three tenths of a frame. Stages `videos` to `questions` then run three times: on the constant
videos, on the variable ones, and on these with `facts.instants: frames`, which names the times of
the frames as version 0.1 did.
"""

from __future__ import annotations

import argparse
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import polars as pl
from av.container import OutputContainer

from benchmarks.machine import CHECKOUT
from benchmarks.reality import record
from p4d.artifacts import read_table
from p4d.config import replace_params
from p4d.ids import seed_for
from p4d.project import Project
from p4d.standalone import run_stages
from p4d.video.landing import land
from p4d.workers import spawn_pool
from p4d.worlds import sidecar
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for

WORLDS = 32
SIDE_PX, FPS, WORLD_S, JITTER = 192, 12, 4.0, 0.3
STAGES = ("videos", "clips", "regions", "facts", "questions")


def write(job: tuple[Path, Path, int]) -> None:
    """Write one world at both rates, each with its sidecar."""
    constant, variable, number = job
    count = round(WORLD_S * FPS)
    even_ms = np.arange(count) * 1000 / FPS
    jitter = np.random.default_rng(seed_for("variable rate", number)).uniform(-1, 1, count)
    jitter[0] = 0
    spec = spec_for(seed_for("variable rate", "world", number), WORLD_S)
    for inbox, times_ms in (
        (constant, even_ms),
        (variable, even_ms + jitter * JITTER * 1000 / FPS),
    ):
        if inbox is constant:
            ticks, base = np.arange(count), Fraction(1, FPS)
        else:
            ticks, base = np.rint(times_ms).astype(int), Fraction(1, 1000)
        times_ns = [round(int(tick) * base * 10**9) for tick in ticks]
        video = render(spec, times_ns, SIDE_PX)
        path = inbox / f"{number:03d}.mp4"
        sidecar.write(sidecar.path_for(path), replace(video.truth, pts_ns=np.array(times_ns)))
        _encode(path, video.rgb_thw3, ticks.tolist(), base)


def _encode(path: Path, rgb_thw3: np.ndarray, ticks: list[int], base: Fraction) -> None:
    with av.open(str(path), "w") as container:
        assert isinstance(container, OutputContainer)
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = SIDE_PX, SIDE_PX, "yuv420p"
        stream.codec_context.time_base = base
        stream.codec_context.thread_count = 1
        for tick, picture in zip(ticks, rgb_thw3, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = tick, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def new_project(root: Path) -> Path:
    """An empty project; returns its inbox."""
    (root / "inbox").mkdir(parents=True)
    (root / "shards").mkdir()
    write_params(root)
    (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return root / "inbox"


def write_params(root: Path) -> None:
    """Write the checkout's parameters, for one shard: exchange groups are drawn within a shard."""
    text = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("max_clips_per_shard: 40", "max_clips_per_shard: 256")
    (root / "params.yaml").write_text(text, encoding="utf-8")


def questions_of(root: Path, instants: str) -> dict[str, object]:
    """Numbers of questions of a project."""
    project = Project(root)
    params = replace_params(project.params, facts={"instants": instants})
    land(project)
    for shard in project.shards():  # facts come from exact truth, so no labels are made
        (root / "labels" / shard).mkdir(parents=True, exist_ok=True)
    for stage in ("facts", "questions"):
        shutil.rmtree(root / stage, ignore_errors=True)
    run_stages(root, params, STAGES, project.shards())
    table = pl.concat(
        read_table(root / "questions" / shard / "questions.parquet") for shard in project.shards()
    )
    clips = pl.concat(
        read_table(root / "clips" / shard / "clips.parquet") for shard in project.shards()
    ).filter(outcome="ok")
    dynamic = int(table["dynamic"].sum())
    return {
        "clips": len(clips),
        "questions": len(table),
        "about_motion": dynamic,
        "share_about_motion": round(dynamic / max(1, len(table)), 3),
    }


def _write_all(pool: ProcessPoolExecutor, jobs: list[tuple[Path, Path, int]]) -> None:
    for done, _ in enumerate(pool.map(write, jobs), 1):
        print(f"{done} of {len(jobs)}", flush=True)


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    worlds = parser.parse_args().worlds
    with TemporaryDirectory() as name:
        constant, variable = Path(name) / "constant", Path(name) / "variable"
        inboxes = new_project(constant), new_project(variable)
        with spawn_pool(2) as pool:
            _write_all(pool, [(*inboxes, number) for number in range(worlds)])
        figures = {
            "constant": questions_of(constant, "grid"),
            "variable": questions_of(variable, "grid"),
            "variable_with_frame_times": questions_of(variable, "frames"),
        }
    record(
        "variable_rate", figures, f"python -m benchmarks.reality.variable_rate --worlds {worlds}"
    )


if __name__ == "__main__":
    main()
