"""Makes R4D-World-Time in the layout of R4D-World, by the same stages, from other seeds.

`test.json`, `videos/`, `images/`, `stages/`, card, datasheet and digests are those that
p4d/evaluation/benchmarks/r4d_world/make.py describes; `videos/` holds several takes of each world.
A killed run resumes: finished worlds and stages are kept in `.build/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json
from p4d.categories import CATEGORIES
from p4d.config import Params, replace_params
from p4d.evaluation.benchmarks.r4d_world.frozen import compare_with_frozen
from p4d.evaluation.benchmarks.r4d_world.make import (
    APPEARANCE,
    MadeRelease,
    Progress,
    asked_shards,
    questions_of,
)
from p4d.evaluation.benchmarks.r4d_world.make import SECTIONS as OF_R4D_WORLD
from p4d.evaluation.benchmarks.r4d_world.release import ChosenQuestions, Edition, write_release
from p4d.evaluation.benchmarks.r4d_world_time.texts import card, datasheet
from p4d.evaluation.benchmarks.r4d_world_time.videos import write_takes
from p4d.ids import seed_for
from p4d.questions.asking.families.seconds import FAMILIES
from p4d.workers import spawn_pool
from p4d.worlds.retimed import TAKES

SEED = 20_261_130
WORLDS = 24
PICTURES, SIDE_PX = 8, 192

EDITION = Edition(
    "r4d-world-time", card, datasheet, lambda name: name.rpartition("_")[0], refusals=False
)
FROZEN = Path(__file__).with_name("r4d_world_time.sha256")

SECTIONS: Mapping[str, Mapping[str, Any]] = {
    **OF_R4D_WORLD,
    # One clip per video, of all its frames at their own times.
    "clips": {**OF_R4D_WORLD["clips"], "span": "video"},
    "facts": {**OF_R4D_WORLD["facts"], "seconds": True},
    "questions": {
        "margin_sigma": 3.0,
        "max_per_clip": 36,
        "families": tuple(family.name for family in FAMILIES),
        "seconds": "pictures",
    },
}
"""Parameters that are fixed here, because the benchmark must not change with params.yaml."""


def make(
    folder: Path,
    params: Params,
    *,
    worlds: int = WORLDS,
    freeze: bool = False,
    progress: Progress = lambda where, done, total, note: None,
) -> MadeRelease:
    """Make the benchmark in `folder`, or the missing parts of it.

    Args:
        folder: for the release; `.build/` in it is working space and can be removed afterwards.
        params: the sections and keys that `SECTIONS` does not fix.
        worlds: any other number than `WORLDS` makes a small release that is not compared.
        freeze: write the frozen list of digests instead of comparing with it.
        progress: called as `(part, done, total, note)`.

    Raises:
        ContractError: the full size differs from the frozen release.
    """
    fixed = replace_params(params, **SECTIONS)
    build = folder / ".build"
    _write_worlds(build / "inbox", worlds, progress)
    shards = asked_shards(build, fixed, progress)
    # Groups are drawn within a shard, so they are whole even if two shards share a world's takes.
    table = pl.concat(questions_of(build, shard) for shard in shards).sort("qa_id")
    chosen = ChosenQuestions(table, worlds)
    counts = {name: chosen.counts[name] for name in CATEGORIES if chosen.counts[name]}
    write_release(folder, build, shards, chosen, counts, EDITION)
    comparison = compare_with_frozen(folder, full=worlds == WORLDS, freeze=freeze, frozen=FROZEN)
    shown = {record["source"] for record in read_json(folder / "test.json")}
    return MadeRelease(folder, counts, len(shown), comparison)


def _write_worlds(inbox: Path, worlds: int, progress: Progress) -> None:
    missing = [n for n in range(worlds) if not (inbox / f"world_{n:04d}_{TAKES - 1}.mp4").is_file()]
    if not missing:
        return
    with spawn_pool(min(2, len(missing))) as pool:
        for done, number in enumerate(pool.map(partial(_write_one, inbox), missing), 1):
            progress("worlds", worlds - len(missing) + done, worlds, f"world_{number:04d}")


def _write_one(inbox: Path, number: int) -> int:
    name, seed = f"world_{number:04d}", seed_for(EDITION.name, SEED, number)
    write_takes(inbox, name, seed, PICTURES, SIDE_PX, APPEARANCE)
    return number
