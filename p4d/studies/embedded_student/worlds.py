"""The worlds of the recipe as clips with regions, facts and questions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p4d.artifacts import Arrays, read_table
from p4d.config import Params, replace_params
from p4d.standalone import run_stages
from p4d.students.data.fact_text import FactTexts, shard_questions
from p4d.students.data.questions import Question
from p4d.students.embedded import CORE_FAMILIES
from p4d.studies.embedded_student.recipe import Recipe
from p4d.teachers.expert4d import embedded as expert
from p4d.worlds.clip_shards import write_clip_shard


@dataclass(frozen=True)
class RecipeClip:
    """One clip of the recipe's worlds, with regions and questions."""

    clip_id: str
    frames: np.ndarray
    times_s: np.ndarray
    masks_kthw: np.ndarray
    kinds: tuple[tuple[str, str], ...]  # colour and shape per region
    read: tuple[tuple[Question, str, str], ...]  # question, all facts, the facts that answer


def read_worlds(
    work: Path, params: Params, recipe: Recipe, report: Callable[[str], None]
) -> list[RecipeClip]:
    """Clips of the recipe's worlds with regions, facts and questions; existing files are kept."""
    params = replace_params(
        params,
        release={"test_fraction": 1e-9, "val_fraction": 0.0},
        questions={"families": CORE_FAMILIES},
    )
    if not (work / "expert").is_dir():
        shutil.copytree(expert.FOLDER, work / "expert", ignore=shutil.ignore_patterns("__*"))
    clips: list[RecipeClip] = []
    for number in range(recipe.worlds // recipe.worlds_per_shard):
        first = recipe.first_world + number * recipe.worlds_per_shard
        shard = f"{number:04d}-{first % 2**32:08x}"
        target = work / "clips" / shard
        if not target.is_dir():
            partial = target.with_name(f".{shard}.partial")
            seeds = range(first, first + recipe.worlds_per_shard)
            write_clip_shard(partial, seeds, params.clips, shard=shard, workers=2)
            partial.rename(target)
        run_stages(work, params, ("labels", "regions", "facts", "questions"), [shard])
        clips += _clips_of_shard(work, shard)
        report(f"{len(clips)} clips")
    return clips


def _clips_of_shard(work: Path, shard: str) -> Iterator[RecipeClip]:
    folders = {name: work / name / shard for name in ("clips", "regions", "facts", "questions")}
    frames = Arrays(folders["clips"] / "frames.safetensors")
    masks = Arrays(folders["regions"] / "masks.safetensors")
    table = read_table(folders["clips"] / "clips.parquet")
    objects = {
        (row["clip_id"], row["instance"]): (row["colour"], row["shape"])
        for row in read_table(folders["clips"] / "objects.parquet").iter_rows(named=True)
    }
    kinds: dict[str, list[tuple[str, str]]] = {}
    regions = read_table(folders["regions"] / "regions.parquet")
    for row in regions.sort("clip_id", "mark").iter_rows(named=True):
        if row["outcome"] == "ok":
            found = objects[(row["clip_id"], row["instance"])]
            kinds.setdefault(row["clip_id"], []).append(found)
    texts = FactTexts(folders["regions"], folders["facts"], folders["questions"])
    read: dict[str, list[tuple[Question, str, str]]] = {}
    for question in shard_questions(folders["questions"], shard):
        entry = (question, texts.of(question), texts.short(question))
        read.setdefault(question.clip_id, []).append(entry)
    for row in table.sort("clip_id").iter_rows(named=True):
        clip_id = row["clip_id"]
        if clip_id in kinds and clip_id in read:
            yield RecipeClip(
                clip_id=clip_id,
                frames=frames[f"{clip_id}.rgb_thw3"],
                times_s=(np.asarray(row["frame_pts_ns"]) - row["start_ns"]) / 1e9,
                masks_kthw=masks[f"{clip_id}.masks_kthw"],
                kinds=tuple(kinds[clip_id]),
                read=tuple(sorted(read[clip_id], key=lambda entry: entry[0].qa_id)),
            )
