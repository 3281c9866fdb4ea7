"""What texts and marks alone give away: `python -m benchmarks.questions.leakage FOLDER`.

Readers without video (p4d/evaluation/controls) are trained on questions about other worlds with the
training appearance, and answer R4D-World. They also answer the training questions themselves by
cross-validation over shards: many times as many, so that a small leak of a family shows. Keys of
benchmarks/results/questions.json:

    blind                 reads texts
    marks_only.labels     reads texts and sees which numbers are drawn
    marks_only.outlines   sees the marked picture without its pixels: outlines and numbers

Outlines are evidence, not a leak: they show where regions are in the first frame. Families that ask
about that are named there; others should not be. Drawn worlds are kept in benchmarks/.cache.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.machine import RESULTS, describe, merge_results
from p4d.artifacts import Arrays, read_json, read_table
from p4d.config import Params, replace_params
from p4d.evaluation.benchmarks.r4d_world.make import SECTIONS
from p4d.evaluation.controls.conditional_logit import answer_across_folds, answer_after_learning
from p4d.evaluation.controls.features import MarkOutlines
from p4d.evaluation.scoring.chance import chance_report
from p4d.project import Project
from p4d.standalone import drop_stale, run_stages
from p4d.worlds.clip_shards import write_clip_shard

FIRST_SEED = 8_800_000
WORLDS_PER_SHARD = 128  # as many clips as a shard of R4D-World has
FOLDS = 5
STAGES = ("regions", "facts", "questions")


def draw(folder: Path, shards: int, params: Params) -> list[str]:
    """Draw shards of questions about worlds of the training appearance; current ones are kept."""
    names = []
    for number in range(shards):
        first = FIRST_SEED + number * WORLDS_PER_SHARD
        name = f"{number:04d}-{first:08x}"
        names.append(name)
        if not (folder / "clips" / name / "truth.safetensors").is_file():
            seeds = range(first, first + WORLDS_PER_SHARD)
            write_clip_shard(folder / "clips" / name, seeds, params.clips, shard=name)
            print(name, "drawn", flush=True)
        (folder / "labels" / name).mkdir(parents=True, exist_ok=True)  # truth needs no labels
    drop_stale(folder, params, STAGES)
    run_stages(folder, params, STAGES, names)
    return names


def shard_questions(stages: Path, shards: list[str]) -> pl.DataFrame:
    """Return all questions of some shards, with `shard`."""
    return pl.concat(
        read_table(stages / "questions" / shard / "questions.parquet").with_columns(
            shard=pl.lit(shard)
        )
        for shard in shards
    )


def marks_of(stages: Path, shards: list[str]) -> dict[str, MarkOutlines]:
    """Return the outlines of the marks of every clip."""
    found = {}
    for shard in shards:
        masks = Arrays(stages / "regions" / shard / "masks.safetensors")
        for name in masks:
            found[name.removesuffix(".masks_kthw")] = MarkOutlines.of(masks[name][:, 0])
    return found


def benchmark_questions(folder: Path) -> tuple[pl.DataFrame, dict[str, MarkOutlines]]:
    """Return the questions of a release of R4D-World, and the outlines of its marks."""
    released = {record["id"] for record in read_json(folder / "test.json")}
    shards = sorted(path.name for path in (folder / "stages" / "questions").iterdir())
    table = shard_questions(folder / "stages", shards)
    return table.filter(pl.col("qa_id").is_in(released)), marks_of(folder / "stages", shards)


def measure(folder: Path, shards: list[str], benchmark: Path) -> dict[str, dict[str, Any]]:
    """Test every reader on both sets of questions."""
    known = shard_questions(folder, shards)
    asked, asked_marks = benchmark_questions(benchmark)
    outlines = marks_of(folder, shards) | asked_marks
    labels = {
        clip: MarkOutlines.of(np.ones((len(seen), 1, 1), np.uint8))
        for clip, seen in outlines.items()
    }
    folds = [shards[start::FOLDS] for start in range(FOLDS)]
    is_validation = pl.col("shard").is_in(folds[0])
    train, validation = known.filter(~is_validation), known.filter(is_validation)
    figures = {}
    for name, seen in (("blind", None), ("labels", labels), ("outlines", outlines)):
        began = time.perf_counter()
        figures[name] = {
            "r4d_world": chance_report(answer_after_learning(train, validation, asked, seen)),
            "held_out": chance_report(answer_across_folds(known, folds, seen)),
        }
        print(name, f"{time.perf_counter() - began:.0f} s", flush=True)
    about = {"learned_from": known.height}
    marks_only = {name: figures[name] for name in ("labels", "outlines")}
    return {"blind": figures["blind"] | about, "marks_only": marks_only | about}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", type=Path, help="folder of R4D-World")
    parser.add_argument("--shards", type=int, default=10, help="of 128 worlds, to learn from")
    given = parser.parse_args()
    project = Project.find()
    params = replace_params(project.params, **SECTIONS)
    folder = project.root / "benchmarks" / ".cache" / "leakage"
    figures = measure(folder, draw(folder, given.shards, params), given.benchmark)
    about = {
        "machine": describe(project.root),
        "command": "python -m benchmarks.questions.leakage "
        f"{given.benchmark} --shards {given.shards}",
    }
    merge_results(
        RESULTS / "questions.json", {name: found | about for name, found in figures.items()}
    )
    for found in (
        figures["blind"],
        figures["marks_only"]["labels"],
        figures["marks_only"]["outlines"],
    ):
        for where in ("r4d_world", "held_out"):
            keys = ("n", "accuracy", "chance", "low", "high", "named")
            print(where, *(f"{key} {found[where][key]}" for key in keys))


if __name__ == "__main__":
    main()
