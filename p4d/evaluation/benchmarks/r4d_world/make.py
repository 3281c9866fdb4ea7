"""R4D-World: the benchmark of this repository, a frozen release in R4D-Bench's own file layout.

Simulated worlds with held-out shapes, colours and textures, which no training world has, and with
their own seeds are written as videos, landed, and pass the stages up to `questions`. Whole exchange
groups are then chosen to stated shares of the categories. A release holds

    test.json                        questions, in R4D-Bench's format
    videos/r4d-world/<world>.mp4     one clip each
    images/r4d-world/<world>.png     the marked first frame (`som_image`)
    stages/<stage>/<shard>/          clips, regions, facts and questions in the pipeline's layout
    README.md, datasheet.md          card and datasheet
    SHA256SUMS                       of all of it

The recipe works in `.build/` and keeps every finished part there, so a killed run resumes. Stages
made by other code or parameters are made again, and so are all worlds if the first one now differs.
The same code makes the same bytes on one machine.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from p4d.artifacts import read_table, write_bytes
from p4d.categories import CATEGORIES
from p4d.config import Params, WorldsParams, replace_params
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.r4d_world.choose import choose
from p4d.evaluation.benchmarks.r4d_world.frozen import compare_with_frozen
from p4d.evaluation.benchmarks.r4d_world.release import NAME, ChosenQuestions, write_release
from p4d.ids import seed_for, sha256_file
from p4d.project import Project
from p4d.standalone import drop_stale, run_stages
from p4d.video.landing import land
from p4d.workers import end_with_parent
from p4d.worlds.corpus import write_world

SEED = 20_260_117
WORLDS = 480
MIN_WORLDS, MIN_QUESTIONS, MIN_PER_CATEGORY = 400, 2000, 100
APPEARANCE = "heldout"
WORLD_S = 4.0  # as in training worlds; a video shows one half

SHARES: Mapping[str, int] = {
    "Dimensional Measurement": 240,
    "Spatial Relation": 280,
    "3D Video Grounding": 200,
    "Translational": 400,
    "Rotational": 240,
    "Counting": 240,
    "False Positives": 200,
    "Speed & Acceleration": 240,
    "Displacement & Path Length": 240,
}
"""Questions per category at the full size; smaller sizes keep the shares."""

SECTIONS: Mapping[str, Mapping[str, Any]] = {
    "worlds": {"size_px": 192, "duration_s": 2.0, "fps": 12.0},
    "landing": {"max_clips_per_shard": 256, "max_file_bytes": 10**9, "max_duration_s": 60.0},
    "shots": {
        "cut_levels": 10.0,
        "cut_ratio": 3.0,
        "cut_window": 6,
        "blank_levels": 4.0,
        "fade_step_levels": 0.15,
        "fade_frames": 4,
    },
    "clips": {
        "size_px": 64,
        "frames": 8,
        "grid_hz": 4.0,
        "max_clips_per_video": 1,
        "max_end_tolerance_s": 0.05,
        "max_first_age_s": 0.5,
    },
    "regions": {"max_regions": 4, "min_area_px": 40, "min_visible_frames": 6},
    "facts": {
        "instants": "frames",
        "least_instant_gap_s": 0.0,
        "seen_at_both_ends": False,
        "seconds": False,
    },
    "questions": {"margin_sigma": 3.0, "max_per_clip": 18, "seconds": "none"},
    # One split: nothing here is for training, and exchange groups may span all worlds.
    "release": {"test_fraction": 1e-9, "val_fraction": 0.0},
}
"""Parameters that are fixed here, because the benchmark must not change with params.yaml."""

Progress = Callable[[str, int, int, str], None]

STAGES = ("videos", "clips", "regions", "facts", "questions")


@dataclass(frozen=True)
class MadeRelease:
    """A finished release.

    Attributes:
        folder: of the release.
        questions: number per category.
        worlds: number of worlds with at least one question.
        comparison: how it compares with the frozen list.
    """

    folder: Path
    questions: Mapping[str, int]
    worlds: int
    comparison: str


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
        worlds: number of worlds; any other than `WORLDS` makes a small release that is not
            compared with the frozen list.
        freeze: write the frozen list of digests instead of comparing with it.
        progress: called as `(part, done, total, note)`.

    Raises:
        ContractError: the full size has too few questions, or differs from the frozen release.
    """
    fixed = replace_params(params, **SECTIONS)
    build = folder / ".build"
    if not _worlds_are_current(build / "inbox", fixed.worlds):
        shutil.rmtree(build)
    _write_worlds(build / "inbox", fixed.worlds, worlds, progress)
    shards = asked_shards(build, fixed, progress)
    table = pl.concat(questions_of(build, shard) for shard in shards)
    quotas = {name: -(-share * worlds // WORLDS) for name, share in SHARES.items()}
    chosen = ChosenQuestions(choose(table, quotas), worlds)
    if worlds == WORLDS:
        _require(chosen.counts, chosen.worlds)
    write_release(folder, build, shards, chosen, SHARES)
    return MadeRelease(
        folder,
        {name: chosen.counts[name] for name in CATEGORIES},
        chosen.worlds,
        compare_with_frozen(folder, full=worlds == WORLDS, freeze=freeze),
    )


def asked_shards(build: Path, params: Params, progress: Progress) -> list[str]:
    """Land `build/inbox` and run the stages up to questions; returns the shards."""
    shards = landed(build, params)
    for shard in shards:  # facts come from exact truth, so no labels are made
        (build / "labels" / shard).mkdir(parents=True, exist_ok=True)
    drop_stale(build, params, STAGES)
    run_stages(build, params, STAGES, shards, progress=progress)
    return shards


def questions_of(build: Path, shard: str) -> pl.DataFrame:
    """Return the questions of a shard, with `shard` and `marks_shown`, the clip's mark count."""
    regions = read_table(build / "regions" / shard / "regions.parquet")
    marked = regions.filter(pl.col("mark").is_not_null())
    return (
        read_table(build / "questions" / shard / "questions.parquet")
        .join(marked.group_by("clip_id").agg(marks_shown=pl.len()), on="clip_id", how="left")
        .with_columns(pl.col("marks_shown").fill_null(0), shard=pl.lit(shard))
    )


def _write_worlds(inbox: Path, params: WorldsParams, worlds: int, progress: Progress) -> None:
    jobs = [_world(inbox, params, index) for index in range(worlds)]
    missing = [job for job in jobs if not job[0].is_file()]
    done = len(jobs) - len(missing)
    if not missing:
        return
    inbox.mkdir(parents=True, exist_ok=True)
    # spawn: an OpenGL context does not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        for name in pool.map(_write_one, missing):
            done += 1
            progress("worlds", done, len(jobs), name)


_World = tuple[Path, int, WorldsParams, float]


def _world(inbox: Path, params: WorldsParams, index: int) -> _World:
    path = inbox / f"world_{index:04d}.mp4"
    return path, seed_for(NAME, SEED, index), params, index % 2 * WORLD_S / 2


def _worlds_are_current(inbox: Path, params: WorldsParams) -> bool:
    """Return whether the first world, written again, equals its files (or none exists)."""
    job = _world(inbox, params, 0)
    if not job[0].is_file():
        return True
    with tempfile.TemporaryDirectory() as name:
        again = Path(name)
        _write_one((again / job[0].name, *job[1:]))
        pairs = [(file, inbox / file.name) for file in sorted(again.iterdir())]
        return all(old.is_file() and sha256_file(new) == sha256_file(old) for new, old in pairs)


def _write_one(job: _World) -> str:
    path, seed, params, begin_s = job
    write_world(path, seed, params, appearance=APPEARANCE, world_s=WORLD_S, begin_s=begin_s)
    return path.name


def landed(build: Path, params: Params) -> list[str]:
    """Land all worlds, as any video is landed; return their shards."""
    plain = {name: dict(section) for name, section in asdict(params).items()}
    write_bytes(build / "params.yaml", yaml.safe_dump(_lists(plain), sort_keys=False).encode())
    project = Project(build)
    land(project)
    return project.shards()


def _lists(value: Any) -> Any:  # noqa: ANN401 - plain values of any depth
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _require(counts: Mapping[str, int], worlds: int) -> None:
    short = [name for name in CATEGORIES if counts[name] < MIN_PER_CATEGORY]
    total = sum(counts.values())
    if short or total < MIN_QUESTIONS or worlds < MIN_WORLDS:
        found = ", ".join(f"{name} {counts[name]}" for name in CATEGORIES)
        raise ContractError(
            f"R4D-World has {total} questions over {worlds} worlds ({found}); it needs "
            f"{MIN_QUESTIONS} over {MIN_WORLDS} and {MIN_PER_CATEGORY} of each category. "
            "Raise WORLDS in p4d/evaluation/benchmarks/r4d_world/make.py"
        )
