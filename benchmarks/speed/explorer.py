"""Measures the pages of `p4d explore` on a project of 100,000 questions.

    python -m benchmarks.speed.explorer

A real server answers real requests, one after another, over loopback; each page is asked for in
`REPEATS` variants (other pages, other filters, other clips), so that no answer is the one before.
Writes `explorer_ms` to benchmarks/results/ui.json.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from benchmarks.ports import free_port
from benchmarks.synthetic import explored_project
from benchmarks.synthetic.questions_project import QuestionsProject
from p4d.categories import CATEGORIES

REPEATS = 40
ADDRESSES = Mapping[str, Callable[[random.Random], str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=102_400)
    parser.add_argument("--results", type=Path, default=RESULTS / "ui.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="p4d-explorer-") as folder:
        made = explored_project.write(Path(folder) / "project", given.questions)
        found = measure(made)
    merge_results(
        given.results,
        {
            "explorer_ms": {
                "command": "python -m benchmarks.speed.explorer",
                "machine": describe(CHECKOUT),
                **found,
            }
        },
    )
    for name, figures in found["by_page"].items():
        print(f"{name:24} p50 {figures['p50']:7.1f} ms   p95 {figures['p95']:7.1f} ms")
    print(f"{'all':24} p50 {found['p50']:7.1f} ms   p95 {found['p95']:7.1f} ms")
    print(f"first page {found['first_page_s']:.2f} s, memory {found['rss_mb']:.0f} MB")


def measure(made: QuestionsProject) -> dict:
    """Serve the project and time its pages, ms."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "p4d", "explore", "--port", str(port), "--reviewer", "nobody"],
        env={**os.environ, "P4D_ROOT": str(made.project.root), "PYTHONPATH": str(CHECKOUT)},
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(port, server)
        first_s = _get(port, "/") / 1e3
        rng, by_page = random.Random(0), {}
        for name, address in addresses(made).items():
            by_page[name] = [_get(port, address(rng)) for _ in range(REPEATS)]
        rss_kb = next(
            int(line.split()[1])
            for line in Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8").splitlines()
            if line.startswith("VmRSS")
        )
    finally:
        server.terminate()
        server.wait()
    everything = [ms for times in by_page.values() for ms in times]
    questions = sum(
        pl.scan_parquet(path).select(pl.len()).collect().item()
        for path in (made.project.data / "questions").glob("*/questions.parquet")
    )
    return {
        "questions": questions,
        "shards": len(made.shards),
        "requests": len(everything),
        **_percentiles(everything),
        "by_page": {name: _percentiles(times) for name, times in by_page.items()},
        "first_page_s": round(first_s, 3),
        "rss_mb": round(rss_kb / 1e3),
    }


def addresses(made: QuestionsProject) -> ADDRESSES:
    """What is asked for, by the name of the page."""
    first = made.shards[0]
    clips = pl.read_parquet(made.project.data / "clips" / first / "clips.parquet")["clip_id"]
    ids = clips.to_list()

    def category(rng: random.Random) -> str:
        return rng.choice(CATEGORIES).replace("&", "%26").replace(" ", "+")

    return {
        "overview": lambda rng: "/",
        "videos": lambda rng: f"/videos?page={rng.randint(1, 30)}",
        "clips": lambda rng: f"/clips?page={rng.randint(1, 200)}",
        "clips, by label quality": lambda rng: (
            f"/clips?measure=depth_absrel&least={rng.random() / 3:.3f}&page={rng.randint(1, 20)}"
        ),
        "clips, by answers": lambda rng: (
            f"/clips?arm_p4d=right&arm_sft=wrong&category={category(rng)}"
        ),
        "questions": lambda rng: f"/questions?page={rng.randint(1, 4000)}",
        "questions, by answers": lambda rng: (
            f"/questions?category={category(rng)}&arm_p4d=right&arm_sft=wrong"
            f"&page={rng.randint(1, 20)}"
        ),
        "questions, by text": lambda rng: f"/questions?text=clip_{rng.randrange(16**3):03x}",
        "refused": lambda rng: f"/refused?shard={rng.choice(made.shards)}",
        "a clip": lambda rng: f"/clips/{rng.choice(ids)}",
        "facts of a clip": lambda rng: f"/clips/{rng.choice(ids)}/facts",
        "a marked picture": lambda rng: f"/media/clips/{rng.choice(ids)}/marked.png",
        "a strip of depth": lambda rng: f"/media/clips/{rng.choice(ids)}/exact/depth.png",
        "lineage of a clip": lambda rng: f"/lineage?id={rng.choice(ids)}&part=1",
    }


def _percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(times, q)), 1) for q in (50, 95)}


def _get(port: int, address: str) -> float:
    """How long one answer takes, ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        begin = time.perf_counter()
        connection.request("GET", address)
        answer = connection.getresponse()
        answer.read()
        took = (time.perf_counter() - begin) * 1e3
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"{address} answered {answer.status}")
    return took


def _wait(port: int, server: subprocess.Popen) -> None:
    """Until the server listens; the style is no page and reads no artifact."""
    while server.poll() is None:
        try:
            _get(port, "/static/explore.css")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the explorer did not start; its message is above")


if __name__ == "__main__":
    main()
