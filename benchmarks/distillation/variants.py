"""Variants of the corpus for controls and ablations: information added or removed in the data.

The training code stays the same for all of them.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.distillation.plan import CLIPS, FEW, FEW_SHARE, RELEASES, RunSpec
from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.ids import seed_for
from p4d.students.data.fact_text import FactTexts, with_facts
from p4d.students.data.questions import Question


def make_variants(work: Path, shards: Sequence[str], runs: Collection[RunSpec]) -> None:
    """Make the variants of release and clips that these runs read and that are missing."""
    for name in RELEASES:
        if (work / name).is_dir() or name not in {run.release for run in runs}:
            continue
        table = read_table(work / "release" / "questions.parquet")
        if name == FEW:
            table = few_questions(table)
        elif name == "release_timed":
            times = "The frames are 0.25 sec apart: 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75 sec.\n"
            table = table.with_columns(question=pl.lit(times) + pl.col("question"))
        else:
            texts = {
                shard: FactTexts(*(work / n / shard for n in ("regions", "facts", "questions")))
                for shard in shards
            }
            given = []
            for question in _questions(table):
                facts = texts[question.shard]
                chosen = facts.of if name == "release_all_facts" else facts.short
                given.append(with_facts(question, chosen(question, as_asked=True)).question)
            table = table.with_columns(question=pl.Series(given))
        unfinished = work / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(work / "release", unfinished)
        write_table(unfinished / "questions.parquet", table, sort_by=["qa_id"])
        unfinished.rename(work / name)
    for name in CLIPS:
        for shard in shards if name in {run.clips for run in runs} else ():
            _clips_variant(work, name, shard)


def few_questions(table: pl.DataFrame) -> pl.DataFrame:
    """The questions without those about most videos of the train split; the others stay whole.

    The videos that keep theirs are drawn by their ids, so every seed and arm has the same.
    """
    train = table.filter(pl.col("split") == "train")["video_id"].unique().to_list()
    order = sorted(train, key=lambda video: seed_for("few questions", video))
    kept = order[: max(1, round(FEW_SHARE * len(order)))]
    return table.filter((pl.col("split") != "train") | pl.col("video_id").is_in(kept))


def _clips_variant(work: Path, name: str, shard: str) -> None:
    target = work / name / shard
    if target.is_dir():
        return
    source, unfinished = work / "clips" / shard, work / name / f".{shard}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    table = read_table(source / "clips.parquet")
    write_table(unfinished / "clips.parquet", table, sort_by=["clip_id"])
    change = _frozen if name == "clips_first_frame" else _burned
    arrays = Arrays(source / "frames.safetensors")
    names = [f"{clip}.rgb_thw3" for clip in table["clip_id"].to_list()]
    write_arrays(
        unfinished / "frames.safetensors", {n: change(arrays[n]) for n in names if n in arrays}
    )
    unfinished.rename(target)


def _frozen(frames: np.ndarray) -> np.ndarray:
    return np.repeat(frames[:1], len(frames), axis=0)


def _burned(frames: np.ndarray) -> np.ndarray:
    """Draw a white bar at the lower edge that grows with time; digits are illegible at 64 px."""
    marked = frames.copy()
    side = frames.shape[2]
    for t in range(len(frames)):
        marked[t, -3:, : side * (t + 1) // len(frames)] = 255
    return marked


def _questions(table: pl.DataFrame) -> Iterator[Question]:
    names = [each.name for each in dataclasses.fields(Question)]
    for row in table.select(names).iter_rows(named=True):
        yield Question(**{**row, "options": tuple(row["options"])})
