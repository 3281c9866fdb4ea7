"""Finds copies of rendered worlds that were changed and encoded again, and counts false finds.

    python -m benchmarks.reality.copies [--worlds 40]

Originals and copies are landed as plain videos and go through stages `videos` and `clips`. A copy
is found if the release puts it into the group of its original, or leaves it out as near to two. An
original in the group of another original is a false find.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import polars as pl
from av.container import OutputContainer
from PIL import Image

from benchmarks.machine import CHECKOUT
from benchmarks.reality import record
from p4d.artifacts import read_table
from p4d.ids import seed_for
from p4d.project import Project
from p4d.release.duplicates import duplicate_groups
from p4d.standalone import run_stages
from p4d.video.landing import land
from p4d.workers import spawn_pool
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for

WORLDS = 40
SIDE_PX, FPS, WORLD_S = 160, 12, 4.5


def _each(film: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(picture))) for picture in film])


def _letterboxed(film: np.ndarray) -> np.ndarray:
    height = film.shape[1]
    bars = np.zeros((len(film), height // 6 // 2 * 2, *film.shape[2:]), np.uint8)
    return np.concatenate([bars, film, bars], axis=1)


def _cropped(film: np.ndarray) -> np.ndarray:
    height, width = film.shape[1:3]
    dy, dx = height // 40, width // 40
    box = (dx, dy, width - dx, height - dy)
    return _each(film, lambda picture: picture.crop(box).resize((width, height)))


COPIES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "compressed": lambda film: film,
    "trimmed by 0.5 s": lambda film: film[round(0.5 * FPS) :],
    "trimmed by 0.33 s": lambda film: film[round(0.33 * FPS) :],
    "letterboxed": _letterboxed,
    "cropped by 5 %": _cropped,
    "mirrored": lambda film: film[:, :, ::-1],
    "mirrored, trimmed, letterboxed": lambda film: _letterboxed(film[6:, :, ::-1]),
}


def encode(path: Path, film: np.ndarray, crf: int) -> None:
    """Write a film as H.264."""
    with av.open(str(path), "w") as container:
        assert isinstance(container, OutputContainer)
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = *film.shape[1:3], "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(film):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write(job: tuple[Path, int]) -> None:
    """Write one world and its copies."""
    inbox, number = job
    spec = spec_for(
        seed_for("copies", number), WORLD_S, appearance=("default", "heldout")[number % 2]
    )
    times_ns = [round(i * 1e9 / FPS) for i in range(round(WORLD_S * FPS))]
    film = render(spec, times_ns, SIDE_PX).rgb_thw3
    encode(inbox / f"{number:03d} original.mp4", film, 18)
    kind = list(COPIES)[number % len(COPIES)]
    encode(inbox / f"{number:03d} copy, {kind}.mp4", COPIES[kind](film), 28)


def _rows(root: Path) -> tuple[list[dict[str, object]], dict[str, str]]:
    """Rows of the usable clips, originals first, and the names of the videos."""
    project = Project(root)
    land(project)
    run_stages(root, project.params, ("videos", "clips"), project.shards())
    tables, names = [], {}
    for shard in project.shards():
        clips = read_table(root / "clips" / shard / "clips.parquet").filter(outcome="ok")
        hashes = read_table(root / "clips" / shard / "frame_hashes.parquet")
        videos = read_table(root / "videos" / shard / "videos.parquet")
        names |= dict(videos.select("video_id", "name").iter_rows())
        tables.append(clips.join(hashes, on="clip_id"))
    table = pl.concat(tables).with_columns(
        name=pl.col("video_id").replace_strict(names, return_dtype=pl.String)
    )
    ordered = table.sort(pl.col("name").str.contains("copy"), "name", "start_ns")
    return ordered.to_dicts(), names


def summary(
    groups: Mapping[str, str], left_out: Mapping[str, str], names: Mapping[str, str]
) -> dict[str, object]:
    """Copies found by kind, and originals that were taken for copies."""
    found, tried = Counter[str](), Counter[str]()
    false = 0
    for video, name in names.items():
        number, _, rest = name.removesuffix(".mp4").partition(" ")
        if rest == "original":
            false += video in left_out or groups.get(video, video) != video
            continue
        kind = rest.removeprefix("copy, ")
        tried[kind] += 1
        original = names.get(groups.get(video, ""), "")
        found[kind] += video in left_out or original.startswith(f"{number} original")
    return {
        "found": {kind: f"{found[kind]} of {tried[kind]}" for kind in sorted(tried)},
        "found_total": f"{sum(found.values())} of {sum(tried.values())}",
        "false": f"{false} of {sum(name.endswith('original.mp4') for name in names.values())}",
    }


def _write_all(pool: ProcessPoolExecutor, inbox: Path, numbers: Sequence[int]) -> None:
    for done, _ in enumerate(pool.map(write, [(inbox, number) for number in numbers]), 1):
        print(f"{done} of {len(numbers)}", flush=True)


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    worlds = parser.parse_args().worlds
    with TemporaryDirectory() as name:
        root = Path(name)
        (root / "inbox").mkdir()
        (root / "shards").mkdir()
        shutil.copyfile(CHECKOUT / "params.yaml", root / "params.yaml")
        (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
        with spawn_pool(2) as pool:
            _write_all(pool, root / "inbox", range(worlds))
        rows, names = _rows(root)
        groups, left_out = duplicate_groups(rows, Project(root).params.release)
        figures = summary(groups, left_out, names)
    record("copies", figures, f"python -m benchmarks.reality.copies --worlds {worlds}")


if __name__ == "__main__":
    main()
