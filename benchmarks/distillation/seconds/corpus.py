"""The corpus: takes of worlds, their questions, the release, and a base student per arm."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.distillation.seconds.oracle import FOLDER as ORACLE_RELEASE
from benchmarks.distillation.seconds.oracle import with_texts
from benchmarks.distillation.seconds.plan import (
    ARMS,
    FIRST_WORLD,
    ORACLE,
    WORLDS_PER_SHARD,
    settings,
)
from p4d.artifacts import read_table
from p4d.config import ClipsParams, Params
from p4d.ids import content_id, sha256_file
from p4d.pipeline import StageInputs, stage_named
from p4d.standalone import drop_stale, run_stages
from p4d.students.data.clip_reader import ClipReader
from p4d.worlds.clip_shards import write_clip_shard

PER_SHARD = ("regions", "facts", "questions")


def prepare(work: Path, worlds: int) -> list[str]:
    """Make what is missing of the corpus, and return its shards; other code's parts are remade."""
    params = settings(1, ARMS[0], 0)
    per_shard = min(worlds, WORLDS_PER_SHARD)
    firsts = [FIRST_WORLD + number * per_shard for number in range(worlds // per_shard)]
    shards = [f"{number:04d}-{first:08x}" for number, first in enumerate(firsts)]
    if drop_stale(work, params, (*PER_SHARD, "release")):
        shutil.rmtree(work / ORACLE_RELEASE, ignore_errors=True)
    for shard, first in zip(shards, firsts, strict=True):
        _write_clips(work / "clips" / shard, range(first, first + per_shard), params.clips)
        (work / "labels" / shard).mkdir(parents=True, exist_ok=True)  # facts come from exact truth
        run_stages(work, params, PER_SHARD, [shard])
        print(f"{shard}: questions are made", flush=True)
    run_stages(work, params, ("release",), shards)
    with_texts(work, shards)
    return shards


def _write_clips(target: Path, seeds: range, params: ClipsParams) -> None:
    if target.is_dir():
        return
    unfinished = target.with_name(f".{target.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_clip_shard(unfinished, seeds, params, shard=target.name, retimed=True)
    unfinished.rename(target)


def shards_of(work: Path) -> list[str]:
    """Names of the shards of a prepared corpus."""
    return sorted(path.name for path in (work / "questions").iterdir())


def release_of(work: Path, arm: str) -> Path:
    """The release that an arm reads."""
    return work / (ORACLE_RELEASE if arm == ORACLE else "release")


def base_student(work: Path, arm: str, params: Params) -> Path:
    """Make the base student of an arm: equal weights, its own way of telling time."""
    out = work / "bases" / arm
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    stage = stage_named("base_student")
    folders = {"release": work / "release"}
    stage.load()(StageInputs(stage=stage, all_params=params, folders=folders), out)
    return out


def clips_of(work: Path) -> ClipReader:
    """Reads the clips of the corpus."""
    shards = shards_of(work)
    return ClipReader(
        {shard: work / "clips" / shard for shard in shards},
        {shard: work / "regions" / shard for shard in shards},
    )


def corpus_of(work: Path) -> str:
    """An id of what the arms see and are asked."""
    shards = shards_of(work)
    files = (
        *(work / "clips" / shard / "frames.safetensors" for shard in shards),
        work / "release" / "questions.parquet",
    )
    times = [
        row
        for shard in shards
        for row in read_table(work / "clips" / shard / "clips.parquet")
        .sort("clip_id")
        .select("clip_id", "frame_pts_ns")
        .rows()
    ]
    return content_id("corpus", *map(sha256_file, files), times)
