"""R4D-World: the embedded benchmark, a frozen release in R4D-Bench's own file layout.

Worlds with the held-out look (shapes, colours and textures that no training world has) and seeds of
their own are written as videos, landed, and pass the stages up to `questions`; whole exchange
groups are then chosen to stated shares of the categories. A folder holds

    test.json                        questions, as R4D-Bench has them
    videos/r4d-world/<world>.mp4     one clip each, as a whole
    images/r4d-world/<world>.png     the marked first frame (`som_image`)
    stages/<stage>/<shard>/          clips, regions, facts and questions in our own layout
    README.md, datasheet.md          card and datasheet
    SHA256SUMS                       of all of it

Work goes on in `.build/`, where everything that is finished is kept: a run that was killed goes on.
Stages made by other code or parameters are made again, and all worlds if the first one now comes
out different.
The same code makes the same bytes on one machine; `r4d_world.sha256`, in git, is the list of the
release that figures refer to.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from PIL import Image

from p4d.artifacts import Arrays, read_table, write_bytes, write_json
from p4d.categories import CATEGORIES
from p4d.config import Params, WorldsParams, replace_params
from p4d.drawing import png
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.r4d_world.texts import card, datasheet
from p4d.ids import content_id, seed_for, sha256_file
from p4d.project import Project
from p4d.questions.regions.marks import draw_marks
from p4d.standalone import drop_stale, run_stages
from p4d.video.decode import decode
from p4d.video.landing import land
from p4d.workers import end_with_parent
from p4d.worlds.corpus import write_world

NAME = "r4d-world"
SUMS = "SHA256SUMS"
FROZEN = Path(__file__).with_name("r4d_world.sha256")
SEED = 20_260_117
WORLDS = 480
LEAST_WORLDS, LEAST_QUESTIONS, LEAST_OF_A_CATEGORY = 400, 2000, 100
APPEARANCE = "heldout"
WORLD_S = 4.0  # as the worlds of training; a video shows one half

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
"""Questions per category at the full size; smaller sizes take the same shares of less."""

SECTIONS: Mapping[str, Mapping[str, Any]] = {
    "worlds": {"size_px": 192, "duration_s": 2.0, "fps": 12.0},
    "landing": {"max_clips_per_shard": 256, "max_file_bytes": 10**9, "max_duration_s": 60.0},
    "clips": {
        "size_px": 64,
        "frames": 8,
        "grid_hz": 4.0,
        "max_clips_per_video": 1,
        "max_end_tolerance_s": 0.05,
        "max_first_age_s": 0.5,
    },
    "regions": {"max_regions": 4, "min_area_px": 40, "min_visible_frames": 6},
    "questions": {"margin_sigma": 3.0, "max_per_clip": 18},
    # One split: nothing here is for training, and exchange groups may span all worlds.
    "release": {"test_fraction": 1e-9, "val_fraction": 0.0},
}
"""Parameters that must not follow params.yaml, or the benchmark would move with it."""

_IMAGE_PX = 384
_SHARD = re.compile(r"(?<=/)(\d{4})-[0-9a-f]{8}(?=/)")
# Bytes of truth, which shards are named by, differ between processors; questions.parquet must not.
_OF_TRUTH = re.compile(r"stages/(clips/\d+/clips|facts/\d+/facts)\.parquet|test\.json")
_COPIED = {
    "clips": ("clips.parquet", "objects.parquet", "frames.safetensors"),
    "regions": ("regions.parquet", "masks.safetensors", "marks.safetensors"),
    "facts": ("facts.parquet",),
    "questions": ("questions.parquet", "refusals.parquet"),
}

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Made:
    """What `make` did.

    Attributes:
        folder: the release.
        questions: per category.
        worlds: videos with at least one question.
        verdict: how it compares with the frozen list.
    """

    folder: Path
    questions: Mapping[str, int]
    worlds: int
    verdict: str


def make(
    folder: Path,
    params: Params,
    *,
    worlds: int = WORLDS,
    freeze: bool = False,
    progress: Progress = lambda where, done, total, note: None,
) -> Made:
    """Make the benchmark in `folder`, or what is missing of it.

    Args:
        folder: for the release; `.build/` in it is working space and can be removed afterwards.
        params: sections and keys that `SECTIONS` does not fix.
        worlds: how many; another number than `WORLDS` makes a small one that is not compared.
        freeze: write the list of digests that git keeps, instead of comparing with it.
        progress: called as `(what, done, total, note)`.

    Raises:
        ContractError: the full size has too few questions, or its bytes are not the frozen ones.
    """
    fixed = replace_params(params, **SECTIONS)
    build = folder / ".build"
    if not _still_written_so(build / "inbox", fixed.worlds):
        shutil.rmtree(build)
    _write_worlds(build / "inbox", fixed.worlds, worlds, progress)
    shards = _land(build, fixed)
    for shard in shards:  # exact truth answers everything, so no labels are made
        (build / "labels" / shard).mkdir(parents=True, exist_ok=True)
    stages = ("videos", "clips", "regions", "facts", "questions")
    drop_stale(build, fixed, stages)
    run_stages(build, fixed, stages, shards, progress=progress)
    table = pl.concat(_questions(build, shard) for shard in shards)
    chosen = choose(table, {name: -(-n * worlds // WORLDS) for name, n in SHARES.items()})
    counts = Counter(chosen["category"].to_list())
    asked = chosen["video_id"].n_unique()
    if worlds == WORLDS:
        _require(counts, asked)
    _release(folder, build, shards, chosen, counts, asked, worlds)
    verdict = _judge(folder, full=worlds == WORLDS, freeze=freeze)
    return Made(folder, {name: counts[name] for name in CATEGORIES}, asked, verdict)


def choose(questions: pl.DataFrame, quotas: Mapping[str, int]) -> pl.DataFrame:
    """Whole exchange groups up to the quota of each category, spread over families and clips.

    The members of a group share shard, family and options, and each option is right once; taken
    whole, they keep letters, words and numbers even. Next is a group of the family that has fewest
    questions so far, of these the one whose clips have fewest, then by hash.

    Args:
        questions: with `shard` and `marks_shown`, the number of marks of their clip.
        quotas: questions wanted, by category.
    """
    used: Counter[str] = Counter()
    taken: list[str] = []
    for category in sorted(quotas, key=lambda name: (quotas[name], name)):
        groups = exchange_groups(questions.filter(pl.col("category") == category))
        waiting = sorted(groups, key=lambda group: seed_for(NAME, *(q["qa_id"] for q in group)))
        of_family: Counter[str] = Counter()
        while waiting and of_family.total() < quotas[category]:
            group = min(
                waiting,
                key=lambda group: (
                    of_family[group[0]["family"]],
                    sum(used[question["clip_id"]] for question in group) / len(group),
                ),
            )
            waiting.remove(group)
            used.update(question["clip_id"] for question in group)
            of_family[group[0]["family"]] += len(group)
            taken += [question["qa_id"] for question in group]
    return questions.filter(pl.col("qa_id").is_in(taken)).sort("qa_id")


def exchange_groups(questions: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """Questions by exchange group; what has no complete group is left out.

    Equal texts of one clip count once. Where marked objects are counted, the clips of a group show
    equally many: the number of marks bounds a count, which whoever sees them could use.
    """
    unique = questions.sort("qa_id").unique(
        ["clip_id", "question"], keep="first", maintain_order=True
    )
    sets: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for row in unique.iter_rows(named=True):
        shown = row["marks_shown"] if row["category"] == "Counting" else 0
        key = (row["shard"], row["family"], shown, *sorted(row["options"]))
        by_answer = sets.setdefault(key, {option: [] for option in row["options"]})
        by_answer[row["answer_text"]].append(row)
    return [
        list(group)
        for key in sorted(sets)
        for group in zip(*sets[key].values(), strict=False)  # the shortest list ends it
    ]


def _questions(build: Path, shard: str) -> pl.DataFrame:
    """The questions of a shard, with `shard` and the clip's number of marks, `marks_shown`."""
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


def _still_written_so(inbox: Path, params: WorldsParams) -> bool:
    """Whether the first world, written again, has the bytes of the files that are there."""
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


def _land(build: Path, params: Params) -> list[str]:
    """Close shards over all worlds, through the same door as any video."""
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
    short = [name for name in CATEGORIES if counts[name] < LEAST_OF_A_CATEGORY]
    total = sum(counts.values())
    if short or total < LEAST_QUESTIONS or worlds < LEAST_WORLDS:
        found = ", ".join(f"{name} {counts[name]}" for name in CATEGORIES)
        raise ContractError(
            f"R4D-World: {total} questions over {worlds} worlds ({found}); it needs "
            f"{LEAST_QUESTIONS} over {LEAST_WORLDS} and {LEAST_OF_A_CATEGORY} of each category. "
            "Raise WORLDS in p4d/evaluation/benchmarks/r4d_world/make.py"
        )


def _release(
    folder: Path,
    build: Path,
    shards: Sequence[str],
    chosen: pl.DataFrame,
    counts: Mapping[str, int],
    asked: int,
    worlds: int,
) -> None:
    for name in ("test.json", "videos", "images", "stages", "README.md", "datasheet.md", SUMS):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    names: dict[str, str] = {}
    for shard in shards:
        videos = read_table(build / "videos" / shard / "videos.parquet").filter(outcome="ok")
        clips = read_table(build / "clips" / shard / "clips.parquet")
        name_of = {row["video_id"]: Path(row["name"]).stem for row in videos.to_dicts()}
        wanted = clips.filter(pl.col("clip_id").is_in(chosen["clip_id"].unique().to_list()))
        masks = Arrays(build / "regions" / shard / "masks.safetensors")
        for row in wanted.sort("clip_id").to_dicts():
            name = names[row["clip_id"]] = name_of[row["video_id"]]
            video = folder / "videos" / NAME / f"{name}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(build / "inbox" / f"{name}.mp4", video)
            picture = _marked_picture(video, masks[f"{row['clip_id']}.masks_kthw"][:, 0])
            write_bytes(folder / "images" / NAME / f"{name}.png", png(picture))
        for stage, files in _COPIED.items():
            target = folder / "stages" / stage / shard
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copyfile(build / stage / shard / file, target / file)
    write_json(folder / "test.json", [_record(row, names) for row in chosen.to_dicts()])
    identity = content_id(NAME, [[row["qa_id"], row["answer_text"]] for row in chosen.to_dicts()])
    facts = {
        "release": identity,
        "questions": dict(counts),
        "worlds": asked,
        "made_of": worlds,
        "families": dict(sorted(Counter(chosen["family"].to_list()).items())),
        "options": dict(sorted(Counter(map(len, chosen["options"].to_list())).items())),
    }
    write_bytes(folder / "README.md", card(facts, SHARES).encode())
    write_bytes(folder / "datasheet.md", datasheet(facts).encode())
    sums = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in _files(folder))
    write_bytes(folder / SUMS, sums.encode())


def _record(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """One question with R4D-Bench's fields, and after them ours."""
    name = names[row["clip_id"]]
    return {
        "id": row["qa_id"],
        "benchmark": NAME,
        "task": row["category"],
        "video": f"videos/{NAME}/{name}.mp4",
        "source": f"videos/{NAME}/{name}.mp4",
        "som_image": f"images/{NAME}/{name}.png",
        "question": row["question"],
        "question_raw": row["question"],
        "options": list(row["options"]),
        "answer": row["answer_text"],
        "family": row["family"],
        "shard": row["shard"],
        "clip_id": row["clip_id"],
        "fact_ids": list(row["fact_ids"]),
    }


def _marked_picture(video: Path, masks_khw: np.ndarray) -> np.ndarray:
    """The sharp first frame, enlarged, under marks as large as the student's.

    The renderer sizes marks by the resolution of the masks; drawn on black and on white, its marks
    are what does not change.
    """
    first = next(iter(decode(video))).rgb()
    side = masks_khw.shape[-1]
    scale = _IMAGE_PX // side
    black = draw_marks(np.zeros((side, side, 3), np.uint8), masks_khw, scale=scale)
    white = draw_marks(np.full((side, side, 3), 255, np.uint8), masks_khw, scale=scale)
    picture = Image.fromarray(first).resize(black.shape[1::-1], Image.Resampling.BICUBIC)
    return np.where((black == white).all(-1, keepdims=True), black, np.asarray(picture))


def _files(folder: Path) -> list[str]:
    """Everything that is released, sorted."""
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS
    ]
    return sorted(name for name in names if not name.startswith(".build/"))


def _judge(folder: Path, *, full: bool, freeze: bool) -> str:
    if not full:
        return "small: not compared with the frozen list"
    sums = (folder / SUMS).read_text()
    if freeze:
        write_bytes(FROZEN, sums.encode())
        return f"frozen: {FROZEN.name} written; commit it"
    if not FROZEN.is_file():
        return "not frozen yet: run again with --freeze and commit the list"
    frozen = FROZEN.read_text()
    if sums == frozen:
        return "equal to the frozen list, byte by byte"
    mine, theirs = _by_name(sums), _by_name(frozen)
    differing = sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
    if mine.keys() == theirs.keys() and all(_OF_TRUTH.fullmatch(name) for name in differing):
        return (
            "the frozen questions, answers, videos and pictures, byte by byte; values of truth, or "
            f"shards named by them, differ in {', '.join(differing)}, as on another processor"
        )
    raise ContractError(
        f"{len(differing)} files are not those of the frozen release, for example "
        f"{', '.join(differing[:3])}; {folder} is kept. Code or machine differ: use the release "
        "that the list names, or freeze a new one with --freeze"
    )


def _by_name(sums: str) -> dict[str, str]:
    """Digests by name of file; shards by their number, as their digest is of the truth beside."""
    lines = (line.split("  ", 1) for line in sums.splitlines())
    return {_SHARD.sub(r"\1", name): digest for digest, name in lines}
