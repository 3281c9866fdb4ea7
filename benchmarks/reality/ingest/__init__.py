"""Ingest against the bare decoder: frames per processor second, and peak memory, in one run.

    python -m benchmarks.reality.ingest [--videos 12] [--seconds 10] [--rounds 3]

`ingest` is landing and the stages `videos` and `clips` with all their checks; `bare` decodes every
frame with PyAV on one thread and does nothing else. Both use two processes, in turn. The videos are
640x480, 30 frames a second, H.264 (veryfast, crf 23), a moving texture with boxes and slight noise;
one in three is encoded, the others are remuxed under another title: other hash, equal work. The
ratio is that of each round; `ingest_ratio` is the median. Memory is the largest sum of the peaks of
all worker processes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from benchmarks.machine import CHECKOUT
from p4d.compute.cost import Cost
from p4d.ids import seed_for
from p4d.project import Project
from p4d.standalone import run_stages
from p4d.video.landing import land
from p4d.workers import spawn_pool

WIDTH_PX, HEIGHT_PX, RATE = 640, 480, 30
ENCODED_OF = 3


def encode(path: Path, number: int, seconds: int) -> None:
    """Write one video."""
    rng = np.random.default_rng(seed_for("ingest", number))
    tile = rng.integers(0, 256, (HEIGHT_PX // 8 + 50, WIDTH_PX // 8 + 50, 3)).astype(np.uint8)
    texture = np.kron(tile, np.ones((8, 8, 1), np.uint8))
    options = {"preset": "veryfast", "crf": "23"}
    with av.open(str(path), "w") as container:
        assert isinstance(container, OutputContainer)
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for index in range(seconds * RATE):
            x, y = index % 380, (index // 2) % 380
            picture = texture[y : y + HEIGHT_PX, x : x + WIDTH_PX].astype(np.int16)
            left = (3 * index) % (WIDTH_PX - 90)
            picture[60:150, left : left + 90] = (200, 40, 40)
            noise = rng.integers(-10, 11, (HEIGHT_PX, WIDTH_PX, 1), np.int16)
            picture = (picture + noise).clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def remux(source: Path, target: Path, title: str) -> None:
    """The same packets under another title."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        assert isinstance(reader, InputContainer)
        assert isinstance(writer, OutputContainer)
        writer.metadata["title"] = title
        stream = reader.streams.video[0]
        copied = writer.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                writer.mux(packet)


def write_videos(folder: Path, count: int, seconds: int) -> list[Path]:
    """All videos of the benchmark."""
    paths = [folder / f"{number:03d}.mp4" for number in range(count)]
    encoded = max(1, count // ENCODED_OF)
    with spawn_pool(2) as pool:
        list(pool.map(encode, paths[:encoded], range(encoded), [seconds] * encoded))
    for number, path in enumerate(paths[encoded:], encoded):
        remux(paths[number % encoded], path, f"video {number}")
    return paths


def decode_bare(path: Path) -> int:
    """Decode a video and count its frames."""
    with av.open(str(path)) as container:
        assert isinstance(container, InputContainer)
        container.streams.video[0].thread_type = "NONE"
        return sum(1 for _ in container.decode(video=0))


def bare(videos: list[Path]) -> int:
    """Decode all videos in two processes."""
    with ProcessPoolExecutor(2) as pool:
        return sum(pool.map(decode_bare, videos))


def ingest(root: Path) -> None:
    """Land the inbox of a project and run the first two stages."""
    project = Project(root)
    land(project)
    run_stages(root, project.params, ("videos", "clips"), project.shards())


def new_project(root: Path, videos: list[Path]) -> Path:
    """An empty project whose inbox holds the videos."""
    (root / "inbox").mkdir(parents=True)
    (root / "shards").mkdir()
    shutil.copyfile(CHECKOUT / "params.yaml", root / "params.yaml")
    (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    for video in videos:
        shutil.copyfile(video, root / "inbox" / video.name)
    return root


def measured(work: Callable[[], object]) -> dict[str, float | int]:
    """What the work costs, workers included."""
    started = time.perf_counter()
    with Cost() as cost:
        work()
    return {**cost.values, "wall_s": round(time.perf_counter() - started, 2)}
