"""The key `time` of distillation.json: accuracy per way of telling time, on unequal spacing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.distillation.answers import from_digits
from benchmarks.distillation.seconds.corpus import corpus_of, shards_of
from benchmarks.distillation.seconds.plan import ARMS, NO_TIME
from benchmarks.distillation.seconds.readable import FILE as READABLE
from benchmarks.machine import describe
from p4d.artifacts import read_json, read_table, write_json
from p4d.errors import ContractError
from p4d.students.data.prompt_layout import EVEN

RESAMPLES, CONFIDENCE = 2000, 0.95


def record(work: Path, checkout: Path) -> dict[str, Any]:
    """Write the key `time` into benchmarks/results/distillation.json, and return it.

    Raises:
        ContractError: a run was made from another corpus.
    """
    asked = _asked(work)
    runs = [read_json(path) for path in sorted((work / "runs").glob("*.json"))]
    corpus = corpus_of(work)
    if strange := [f"{r['arm']}-{r['seed']}" for r in runs if r["corpus"] != corpus]:
        raise ContractError(f"{work / 'runs'}: {strange} saw another corpus; remove them")
    right = {
        (run["arm"], run["seed"]): _right(asked, from_digits(run["answers"], asked)) for run in runs
    }
    found = {
        "command": "python -m benchmarks.distillation time",
        "machine": describe(checkout),
        "corpus": corpus,
        "worlds": int(asked["video_id"].n_unique()),
        "clips": int(asked["clip_id"].n_unique()),
        "questions": len(asked),
        "questions_on_unequal_spacing": int(asked["unequal"].sum()),
        "chance": 0.25,
        "arms": {arm: _of_arm(arm, asked, right, runs) for arm in ARMS if _seeds(arm, right)},
        "readable": read_json(work / READABLE) if (work / READABLE).is_file() else None,
    }
    target = checkout / "benchmarks" / "results" / "distillation.json"
    report = read_json(target) if target.is_file() else {}
    write_json(target, {**report, "time": found})
    return found


def _asked(work: Path) -> pl.DataFrame:
    """The validation questions, with `unequal`: whether the frames are unequally spaced."""
    table = read_table(work / "release" / "questions.parquet").filter(split="val").sort("qa_id")
    unequal = {}
    for shard in shards_of(work):
        for row in read_table(work / "clips" / shard / "clips.parquet").to_dicts():
            steps = np.diff(row["frame_pts_ns"])
            unequal[row["clip_id"]] = bool(np.abs(steps / steps.mean() - 1).max() > EVEN)
    return table.with_columns(unequal=pl.col("clip_id").replace_strict(unequal))


def _right(asked: pl.DataFrame, answers: dict[str, int]) -> np.ndarray:
    chosen = np.array([answers[qa_id] for qa_id in asked["qa_id"].to_list()])
    return np.asarray(chosen == asked["answer_index"].to_numpy(), dtype=np.float64)


def _seeds(arm: str, right: dict[tuple[str, int], np.ndarray]) -> list[int]:
    return sorted(seed for name, seed in right if name == arm)


def _of_arm(
    arm: str,
    asked: pl.DataFrame,
    right: dict[tuple[str, int], np.ndarray],
    runs: list[dict[str, Any]],
) -> dict[str, Any]:
    seeds = _seeds(arm, right)
    mean = np.mean([right[(arm, seed)] for seed in seeds], axis=0)
    unequal = asked["unequal"].to_numpy()
    worlds = asked["video_id"].to_numpy()
    both = [seed for seed in seeds if (NO_TIME, seed) in right]
    gain = None
    if both and arm != NO_TIME:
        over = np.mean([right[(arm, seed)] - right[(NO_TIME, seed)] for seed in both], axis=0)
        gain = _interval(over[unequal], worlds[unequal])
    mine = [run for run in runs if run["arm"] == arm]
    return {
        "seeds": len(seeds),
        "steps": mine[0]["steps"],
        "commits": sorted({run["commit"] for run in mine}),
        "cpu_s": [run["cpu_s"] for run in mine],
        "accuracy": _interval(mean[unequal], worlds[unequal]),
        "accuracy_all_spacings": _interval(mean, worlds),
        "over_none": gain,
        "by_kind": {
            family: _interval(mean[some], worlds[some])
            for family in sorted(set(asked["family"].to_list()))
            for some in [unequal & (asked["family"] == family).to_numpy()]
        },
    }


def _interval(values: np.ndarray, worlds: np.ndarray) -> dict[str, Any]:
    """The mean, and its interval by resampling worlds."""
    _, of_world = np.unique(worlds, return_inverse=True)
    total, count = np.bincount(of_world, weights=values), np.bincount(of_world)
    draws = np.random.default_rng(0).integers(len(count), size=(RESAMPLES, len(count)))
    means = total[draws].sum(axis=1) / count[draws].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    return {
        "mean": round(float(values.mean()), 4),
        "ci95": [round(float(v), 4) for v in np.quantile(means, [tail, 1 - tail])],
        "n": len(values),
        "worlds": len(count),
    }
