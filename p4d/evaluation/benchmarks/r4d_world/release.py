"""Writes the folder of an R4D-World release, in R4D-Bench's layout."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from p4d.artifacts import Arrays, read_table, write_bytes, write_json
from p4d.drawing import png
from p4d.evaluation.benchmarks.r4d_world.texts import card, datasheet
from p4d.ids import content_id, sha256_file
from p4d.questions.regions.marks import draw_marks
from p4d.video.decoding.decode import decode

NAME = "r4d-world"
SUMS = "SHA256SUMS"
_IMAGE_PX = 384
_COPIED = {
    "clips": ("clips.parquet", "objects.parquet", "frames.safetensors"),
    "regions": ("regions.parquet", "masks.safetensors", "marks.safetensors"),
    "facts": ("facts.parquet",),
    "questions": ("questions.parquet", "refusals.parquet"),
}


@dataclass(frozen=True)
class Edition:
    """One benchmark of this layout.

    Attributes:
        name: of its media folders and its records.
        card, datasheet: write its README and its datasheet.
        world_of: what the videos of one world have in common, from the name of one; intervals
            resample worlds.
        refusals: whether the candidates that were not asked are released. They count all families,
            also those that an edition does not ask, and so change when a family is added.
    """

    name: str
    card: Callable[[Mapping[str, Any], Mapping[str, int]], str]
    datasheet: Callable[[Mapping[str, Any]], str]
    world_of: Callable[[str], str]
    refusals: bool = True


R4D_WORLD = Edition(NAME, card, datasheet, lambda name: f"{name}.mp4")


@dataclass(frozen=True)
class ChosenQuestions:
    """The questions of a release.

    Attributes:
        table: one row per question, with `shard`.
        simulated: number of simulated worlds that they were chosen from.
    """

    table: pl.DataFrame
    simulated: int

    @property
    def counts(self) -> Counter[str]:
        """Number of questions per category."""
        return Counter(self.table["category"].to_list())

    @property
    def worlds(self) -> int:
        """Number of worlds with at least one question."""
        return self.table["video_id"].n_unique()


def write_release(
    folder: Path,
    build: Path,
    shards: Sequence[str],
    chosen: ChosenQuestions,
    shares: Mapping[str, int],
    edition: Edition = R4D_WORLD,
) -> None:
    """Write questions, videos, marked pictures, stages, card, datasheet and digests.

    Args:
        folder: of the release; its previous files are replaced.
        build: folder of the stages that made the questions.
        shards: of the stages.
        chosen: the questions.
        shares: questions per category at the full size, for the card.
        edition: which benchmark it is.
    """
    for name in ("test.json", "videos", "images", "stages", "README.md", "datasheet.md", SUMS):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    names: dict[str, str] = {}
    for shard in shards:
        names |= _write_media(folder, build, shard, chosen.table, edition.name)
        for stage, files in _COPIED.items():
            target = folder / "stages" / stage / shard
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                if file == "refusals.parquet" and not edition.refusals:
                    continue
                shutil.copyfile(build / stage / shard / file, target / file)
    rows = chosen.table.to_dicts()
    write_json(folder / "test.json", [_record(row, names, edition) for row in rows])
    facts = {
        "release": content_id(edition.name, [[row["qa_id"], row["answer_text"]] for row in rows]),
        "questions": dict(chosen.counts),
        "worlds": chosen.worlds,
        "made_of": chosen.simulated,
        "families": dict(sorted(Counter(chosen.table["family"].to_list()).items())),
        "options": dict(sorted(Counter(map(len, chosen.table["options"].to_list())).items())),
    }
    write_bytes(folder / "README.md", edition.card(facts, shares).encode())
    write_bytes(folder / "datasheet.md", edition.datasheet(facts).encode())
    sums = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in _files(folder))
    write_bytes(folder / SUMS, sums.encode())


def _write_media(
    folder: Path, build: Path, shard: str, chosen: pl.DataFrame, edition: str
) -> dict[str, str]:
    """Copy the videos of the chosen clips and draw their marks; return their names by clip."""
    videos = read_table(build / "videos" / shard / "videos.parquet").filter(outcome="ok")
    clips = read_table(build / "clips" / shard / "clips.parquet")
    name_of = {row["video_id"]: Path(row["name"]).stem for row in videos.to_dicts()}
    wanted = clips.filter(pl.col("clip_id").is_in(chosen["clip_id"].unique().to_list()))
    masks = Arrays(build / "regions" / shard / "masks.safetensors")
    names = {}
    for row in wanted.sort("clip_id").to_dicts():
        name = names[row["clip_id"]] = name_of[row["video_id"]]
        video = folder / "videos" / edition / f"{name}.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(build / "inbox" / f"{name}.mp4", video)
        picture = _marked_picture(video, masks[f"{row['clip_id']}.masks_kthw"][:, 0])
        write_bytes(folder / "images" / edition / f"{name}.png", png(picture))
    return names


def _record(row: Mapping[str, Any], names: Mapping[str, str], edition: Edition) -> dict[str, Any]:
    """Return one question with R4D-Bench's fields, followed by ours."""
    name = names[row["clip_id"]]
    return {
        "id": row["qa_id"],
        "benchmark": edition.name,
        "task": row["category"],
        "video": f"videos/{edition.name}/{name}.mp4",
        "source": f"videos/{edition.name}/{edition.world_of(name)}",
        "som_image": f"images/{edition.name}/{name}.png",
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
    """Return the sharp first frame, enlarged, under marks of the student's size.

    The renderer sizes marks by the resolution of the masks. Drawn on black and on white, the marks
    are the pixels that do not change.
    """
    first = next(iter(decode(video))).rgb()
    side = masks_khw.shape[-1]
    scale = _IMAGE_PX // side
    black = draw_marks(np.zeros((side, side, 3), np.uint8), masks_khw, scale=scale)
    white = draw_marks(np.full((side, side, 3), 255, np.uint8), masks_khw, scale=scale)
    picture = Image.fromarray(first).resize(black.shape[1::-1], Image.Resampling.BICUBIC)
    return np.where((black == white).all(-1, keepdims=True), black, np.asarray(picture))


def _files(folder: Path) -> list[str]:
    """Return the names of all released files, sorted."""
    names = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS
    ]
    return sorted(name for name in names if not name.startswith(".build/"))
