"""The corpus of the benchmark: worlds, labels, questions, release and base student."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.distillation.plan import (
    BASE,
    CLIPS,
    NEW_ENCODER,
    RELEASES,
    UNTIMED,
)
from benchmarks.distillation.report import INFERENCE
from p4d.config import Params
from p4d.ids import content_id, sha256_file
from p4d.standalone import drop_stale, run_stages
from p4d.worlds.clip_shards import write_clip_shard

FIRST_WORLD, WORLDS_PER_SHARD = 9_000_000, 150
PER_SHARD = ("labels", "regions", "facts", "questions")
VARIANTS = (
    *RELEASES,
    *CLIPS,
    NEW_ENCODER,
    *(base + UNTIMED for base in (BASE, NEW_ENCODER)),
)
STAGES = ("expert_worlds", "expert", *PER_SHARD, "release", "base_student")


def prepare(work: Path, worlds: int, params: Params, processes: int) -> None:
    """Make the corpus; parts made by other code are made again."""
    began = time.perf_counter()
    stale = drop_stale(work, params, STAGES)
    drawn = ["clips"] if "expert_worlds" in stale else []  # worlds are drawn by the same code
    for name in (*drawn, *(VARIANTS if stale else ())):
        shutil.rmtree(work / name, ignore_errors=True)
    if stale:
        (work / INFERENCE).unlink(missing_ok=True)
    run_stages(work, params, ("expert_worlds", "expert"), ())
    per_shard = min(worlds, WORLDS_PER_SHARD)
    firsts = [FIRST_WORLD + number * per_shard for number in range(worlds // per_shard)]
    shards = [f"{number:04d}-{first:08x}" for number, first in enumerate(firsts)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(partial(_make_shard, work, params, per_shard), shards, firsts))
    run_stages(work, params, ("release", "base_student"), shards)
    print(f"corpus of {len(shards)} shards in {time.perf_counter() - began:.0f} s", flush=True)


def _make_shard(work: Path, params: Params, worlds: int, shard: str, first: int) -> None:
    target = work / "clips" / shard
    if not target.is_dir():
        unfinished = target.with_name(f".{shard}.partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        seeds = range(first, first + worlds)
        write_clip_shard(unfinished, seeds, params.clips, shard=shard, workers=1)
        unfinished.rename(target)
    run_stages(work, params, PER_SHARD, [shard])


def shards_of(work: Path) -> list[str]:
    """Return the names of the shards of a prepared corpus."""
    return sorted(path.name for path in (work / "questions").iterdir())


def corpus_of(work: Path) -> str:
    """Return an id of the content that runs see and are asked.

    Truth, labels and cards are left out, because their bytes may depend on the processor.
    """
    shards = shards_of(work)
    files = (
        *(work / "clips" / shard / "frames.safetensors" for shard in shards),
        *(work / "regions" / shard / "masks.safetensors" for shard in shards),
        work / "release" / "questions.parquet",
        work / "expert" / "weights.safetensors",
        work / "base_student" / "model" / "model.safetensors",
    )
    return content_id("corpus", *map(sha256_file, files))
