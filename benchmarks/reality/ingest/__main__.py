"""`python -m benchmarks.reality.ingest`; worker processes do not import this module again."""

from __future__ import annotations

import argparse
import shutil
import statistics
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reality import record_all
from benchmarks.reality.ingest import RATE, bare, ingest, measured, new_project, write_videos


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    frames = wanted.videos * wanted.seconds * RATE
    rounds = []
    with TemporaryDirectory() as name:
        (Path(name) / "videos").mkdir()
        videos = write_videos(Path(name) / "videos", wanted.videos, wanted.seconds)
        for number in range(wanted.rounds):
            root = new_project(Path(name) / f"project{number}", videos)
            ours, theirs = measured(partial(ingest, root)), measured(partial(bare, videos))
            rounds.append((ours, theirs))
            print(number, ours, theirs, flush=True)
            shutil.rmtree(root)
    ratios = [theirs["cpu_s"] / ours["cpu_s"] for ours, theirs in rounds]
    command = (
        f"python -m benchmarks.reality.ingest --videos {wanted.videos} "
        f"--seconds {wanted.seconds} --rounds {wanted.rounds}"
    )
    speed = {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "frames": frames,
        "ingest_frames_per_cpu_s": [round(frames / ours["cpu_s"]) for ours, _ in rounds],
        "bare_frames_per_cpu_s": [round(frames / theirs["cpu_s"]) for _, theirs in rounds],
        "ingest_wall_s": [ours["wall_s"] for ours, _ in rounds],
        "bare_wall_s": [theirs["wall_s"] for _, theirs in rounds],
    }
    peak = max(ours["max_rss_bytes"] for ours, _ in rounds)
    memory = {"all_processes": round(peak / 1e6), "workers": 2}
    record_all({"ingest_ratio": speed, "peak_rss_mb": memory}, command)


if __name__ == "__main__":
    main()
