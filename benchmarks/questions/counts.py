"""Counts questions per category, refused candidates and balance, and times generation.

`python -m benchmarks.questions.counts --worlds 400` draws worlds, measures their facts, and
composes and counts their questions shard by shard. For speed and memory it composes the facts of
one shard repeatedly under new ids, until `--questions` are written.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import polars as pl

from benchmarks.machine import RESULTS, describe, merge_results
from p4d.artifacts import read_table
from p4d.categories import CATEGORIES
from p4d.config import Params
from p4d.project import Project
from p4d.questions.asking.compose import compose
from p4d.questions.columns import hashes_of, mix
from p4d.release.balance import balance
from p4d.splits import split_for
from p4d.standalone import run_stages
from p4d.worlds.clip_shards import CLIPS_PER_WORLD, write_clip_shard

FIRST_SEED = 7_700_000
Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def draw(folder: Path, worlds: int, params: Params, per_shard: int = 40) -> list[str]:
    """Draw shards of simulated clips, with their regions and facts."""
    shards = []
    for number, first in enumerate(range(0, worlds, per_shard)):
        shard = f"{number:04d}-{number:08x}"
        seeds = range(FIRST_SEED + first, FIRST_SEED + min(first + per_shard, worlds))
        write_clip_shard(folder / "clips" / shard, seeds, params.clips, shard=shard)
        (folder / "labels" / shard).mkdir(parents=True)  # exact truth needs no labels
        shards.append(shard)
        print(shard, "drawn", flush=True)
    run_stages(folder, params, ["regions", "facts"], shards)
    return shards


def tables(folder: Path, shard: str) -> Tables:
    """Return clips, regions and facts of one shard."""
    names = ("clips", "regions", "facts")
    clips, regions, facts = (read_table(folder / n / shard / f"{n}.parquet") for n in names)
    return (
        clips.select("clip_id", "video_id", "has_truth"),
        regions.select("clip_id", "region_id", "mark"),
        facts,
    )


def counts(folder: Path, shards: list[str], params: Params) -> dict[str, object]:
    """Count questions and refused candidates of all shards, and measure balance."""
    asked, refused = [], []
    for shard in shards:
        composed = compose(*tables(folder, shard), params.questions, params.release)
        asked.append(composed.questions.with_columns(shard=pl.lit(shard)))
        refused.append(composed.refused)
    questions = pl.concat(asked).with_columns(
        split=pl.col("video_id").map_elements(
            lambda video: split_for(video, params.release), return_dtype=pl.String
        )
    )
    by_category = Counter(questions["category"].to_list())
    by_reason = pl.concat(refused).group_by("category", "reason").agg(pl.col("count").sum())
    reasons: dict[str, dict[str, int]] = {category: {} for category in CATEGORIES}
    for category, reason, count in by_reason.sort("category", "reason").rows():
        reasons[category][reason] = count
    families = questions.group_by("category", "family").len().sort("category", "family")
    return {
        "clips": CLIPS_PER_WORLD * len(questions["video_id"].unique()),
        "questions": questions.height,
        "per_category": {category: by_category[category] for category in CATEGORIES},
        "per_family": {family: count for _, family, count in families.rows()},
        "refused": reasons,
        "balance": balance(questions),
    }


def again(one: Tables, copy: int) -> Tables:
    """Return the same clips, videos, regions and facts under new ids."""
    clips, regions, facts = one

    def renamed(column: pl.Series) -> pl.Series:
        digits = mix(hashes_of(column), f"copy {copy}").astype(">u8").tobytes().hex()
        prefix = column[0].rsplit("_", 1)[0]
        ids = [f"{prefix}_{digits[i : i + 16]}" for i in range(0, len(digits), 16)]
        return pl.Series(column.name, ids)

    new_regions = dict(zip(regions["region_id"], renamed(regions["region_id"]), strict=True))
    return (
        clips.with_columns(renamed(clips["clip_id"]), renamed(clips["video_id"])),
        regions.with_columns(renamed(regions["clip_id"]), renamed(regions["region_id"])),
        facts.with_columns(
            renamed(facts["clip_id"]),
            renamed(facts["fact_id"]),
            region_ids=pl.col("region_ids").list.eval(pl.element().replace(new_regions)),
        ),
    )


def generate(folder: Path, shard: str, wanted: int, copies: int, out: Path) -> dict[str, float]:
    """Compose `copies` renamed copies of a shard at a time until `wanted` questions are written.

    Seconds are CPU seconds inside `compose`; memory is the peak of the process.
    """
    params = Project.find().params
    one = tables(folder, shard)
    written, seconds, batch = 0, 0.0, 0
    while written < wanted:
        parts = [again(one, copy) for copy in range(batch * copies, (batch + 1) * copies)]
        clips, regions, facts = (pl.concat([part[i] for part in parts]) for i in range(3))
        started = time.process_time()
        composed = compose(clips, regions, facts, params.questions, params.release)
        seconds += time.process_time() - started
        composed.questions.write_parquet(out / f"{batch:05d}.parquet")
        written += composed.questions.height
        batch += 1
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "questions": written,
        "seconds": round(seconds, 3),
        "generation_qa_per_s": round(written / seconds, 1),
        "memory_mb": round(peak_mb, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--questions", type=int, default=1_000_000)
    parser.add_argument("--copies", type=int, default=16, help="of a shard composed at once")
    parser.add_argument("--out", type=Path, help="file of results; default: benchmarks/results")
    parser.add_argument("--generate", nargs=2, metavar=("FOLDER", "SHARD"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.generate:
        folder, shard = given.generate
        with tempfile.TemporaryDirectory() as out:
            generated = generate(Path(folder), shard, given.questions, given.copies, Path(out))
        print(json.dumps(generated))
        return
    project = Project.find()
    path = given.out or RESULTS / "questions.json"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = draw(folder, given.worlds, project.params)
        measured = counts(folder, shards, project.params)
        # A process of its own, so that its memory is that of generation alone.
        command = [sys.executable, "-m", "benchmarks.questions.counts",
                   "--generate", name, shards[0], "--questions", str(given.questions),
                   "--copies", str(given.copies)]  # fmt: skip
        done = subprocess.run(
            command, cwd=project.root, check=True, capture_output=True, text=True, encoding="utf-8"
        )
        speed = json.loads(done.stdout.splitlines()[-1])
    figures: dict[str, object] = {
        **measured,
        "generation": speed,
        "generation_qa_per_s": speed["generation_qa_per_s"],
        "memory_mb": speed["memory_mb"],
        "machine": describe(project.root),
        "command": f"python -m benchmarks.questions.counts --worlds {given.worlds}"
        f" --questions {given.questions} --copies {given.copies}",
    }
    merge_results(path, figures)
    for name in ("per_category", "generation"):
        print(name, figures[name])


if __name__ == "__main__":
    main()
