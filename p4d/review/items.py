"""Reads questions for people: with the clip, the marked picture and the facts behind the answer.

They come from a release folder and the stage folders beside it (`clips`, `regions`, `facts`).
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_json, read_table
from p4d.categories import CATEGORIES
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.origins import read_origins, withheld
from p4d.questions.facts.table import Fact
from p4d.questions.regions.marks import draw_marks

PEOPLE_SCALE = 6  # a 64 px frame becomes 384 px


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question with its clip, its marks and its facts.

    Attributes:
        row: the row of the release's `questions.parquet`.
        rgb_thw3: frames of the clip.
        marks_hw3: marked first frame, enlarged for people.
        facts: the facts of the answer, in the order of `fact_ids`.
        marks: mark numbers by region id.
        marks_shown: how many marks the clip shows, `<obj_1>` to `<obj_N>`.
        length_s: length of the clip.
    """

    row: Mapping[str, Any]
    rgb_thw3: np.ndarray
    marks_hw3: np.ndarray
    facts: tuple[Fact, ...]
    marks: Mapping[str, int]
    marks_shown: int
    length_s: float


def release_id(release: Path) -> str:
    """Id of the release in a folder.

    Raises:
        ContractError: there is no release.
    """
    if not (release / "manifest.json").is_file():
        raise ContractError(f"{release} holds no release; run `make up`, or name its folder")
    return str(read_json(release / "manifest.json")["release_id"])


def sample_questions(
    questions: pl.DataFrame, count: int | None, categories: Sequence[str] = ()
) -> pl.DataFrame:
    """Take `count` questions, families in turn, and within a family in the order of a hash.

    A larger sample contains a smaller one. None takes all.

    Raises:
        ContractError: there is no such category, or it has no question.
    """
    if unknown := sorted(set(categories) - set(CATEGORIES)):
        raise ContractError(f"no category {unknown[0]!r}; there are: {', '.join(CATEGORIES)}")
    if categories:
        questions = questions.filter(pl.col("category").is_in(list(categories)))
    if questions.is_empty():
        raise ContractError(f"no question of {', '.join(categories) or 'any category'}")
    turns = [
        (order, row["family"], row["qa_id"])
        for _, of in questions.select("family", "qa_id").group_by("family", maintain_order=True)
        for order, row in enumerate(
            sorted(of.iter_rows(named=True), key=lambda r: seed_for(r["qa_id"], "review"))
        )
    ]
    chosen = [qa_id for *_, qa_id in sorted(turns)[:count]]
    return questions.filter(pl.col("qa_id").is_in(chosen)).sort("category", "family", "qa_id")


def without_bound(questions: pl.DataFrame, release: Path) -> pl.DataFrame:
    """The questions about videos whose pictures may leave the project (p4d/origins.py).

    Raises:
        ContractError: there are questions, and none of them may be shown.
    """
    bound = withheld(read_origins(release))
    free = questions.filter(~pl.col("video_id").is_in(list(bound)))
    if len(questions) and free.is_empty():
        why = next(iter(bound.values()))
        raise ContractError(
            f"no question may be shown outside of this project: {why}; "
            "--bound shows them to people whom these terms allow it"
        )
    return free


def read_items(release: Path, questions: pl.DataFrame) -> Iterator[Item]:
    """Items of released questions, shard by shard."""
    data = release.parent
    for (shard,), rows in sorted(questions.group_by("shard"), key=lambda pair: pair[0]):
        yield from items_of_shard(data, str(shard), rows.sort("category", "family", "qa_id"))


def items_of_shard(data: Path, shard: str, rows: pl.DataFrame) -> Iterator[Item]:
    """Items of questions of one shard, released or not, in their order.

    Args:
        data: the folder that holds those of the stages.
        shard: id of the shard.
        rows: of `questions.parquet`.

    Raises:
        ContractError: a folder of the shard is missing.
    """
    folders = {name: data / name / shard for name in ("clips", "regions", "facts")}
    if missing := [str(folder) for folder in folders.values() if not folder.is_dir()]:
        raise ContractError(f"{missing[0]} is missing; it must be beside the questions")
    frames = Arrays(folders["clips"] / "frames.safetensors")
    masks = Arrays(folders["regions"] / "masks.safetensors")
    clips = {
        row["clip_id"]: row for row in read_table(folders["clips"] / "clips.parquet").to_dicts()
    }
    wanted = [fact for ids in rows["fact_ids"] for fact in ids]
    table = read_table(folders["facts"] / "facts.parquet").filter(pl.col("fact_id").is_in(wanted))
    facts = {row["fact_id"]: Fact.from_row(row) for row in table.to_dicts()}
    regions = read_table(folders["regions"] / "regions.parquet").filter(pl.col("outcome") == "ok")
    marks = dict(regions.select("region_id", "mark").iter_rows())

    @functools.lru_cache(maxsize=8)  # questions of a clip are near each other, and marks are slow
    def marked(clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rgb_thw3 = frames[f"{clip_id}.rgb_thw3"]
        first_khw = masks[f"{clip_id}.masks_kthw"][:, 0]
        return rgb_thw3, first_khw, draw_marks(rgb_thw3[0], first_khw, scale=PEOPLE_SCALE)

    for row in rows.iter_rows(named=True):
        rgb_thw3, first_khw, marks_hw3 = marked(row["clip_id"])
        clip = clips[row["clip_id"]]
        yield Item(
            row=row,
            rgb_thw3=rgb_thw3,
            marks_hw3=marks_hw3,
            facts=tuple(facts[fact_id] for fact_id in row["fact_ids"]),
            marks=marks,
            marks_shown=len(first_khw),
            length_s=(clip["end_ns"] - clip["start_ns"]) / 1e9,
        )


@dataclass(frozen=True, kw_only=True)
class FactText:
    """One fact in words, part by part.

    Attributes:
        fact_id, kind: of the fact.
        marks: numbers of the marked objects it is about; empty for a fact about the camera.
        value: the value with its unit, or the word that stands for it.
        certainty: sigma in the unit of the value; for a word, how many sigmas the next word is
            away.
        when: time or span within the clip, seconds.
        frame: frame of reference.
        method, teacher: how it was measured, and from whose maps.
    """

    fact_id: str
    kind: str
    marks: tuple[int, ...]
    value: str
    certainty: str
    when: str
    frame: str
    method: str
    teacher: str

    def __str__(self) -> str:
        """One line, with marks as `<obj_k>`."""
        who = ", ".join(f"<obj_{mark}>" for mark in self.marks)
        return (
            f"{self.kind}{f' of {who}' if who else ''} = {self.value} ({self.certainty}; "
            f"{self.when}; frame: {self.frame}; {self.method}; {self.teacher})"
        )


def fact_text(fact: Fact, marks: Mapping[str, int]) -> FactText:
    """A fact in words.

    Args:
        fact: what was measured.
        marks: mark numbers by region id; regions without a mark are left out.
    """
    word = fact.value_text
    when = f"{fact.start_ns / 1e9:.2f} s"
    if fact.end_ns != fact.start_ns:
        when += f" to {fact.end_ns / 1e9:.2f} s"
    return FactText(
        fact_id=fact.fact_id,
        kind=fact.kind,
        marks=tuple(marks[r] for r in fact.region_ids if r in marks),
        value=word if word is not None else f"{fact.value:.3f} {fact.unit}",
        certainty=f"sigma {fact.sigma:.3f}"
        if word is None
        else f"{1 / fact.sigma:.1f} sigma from the next word",
        when=when,
        frame=fact.frame,
        method=fact.method,
        teacher=fact.teacher,
    )


def clip_mp4(rgb_thw3: np.ndarray, length_s: float, scale: int = PEOPLE_SCALE) -> bytes:
    """The clip, enlarged, as an H.264 MP4 that browsers play."""
    import av  # loads FFmpeg, which only media need

    frames, height, width, _ = rgb_thw3.shape
    stream_bytes = io.BytesIO()
    with av.open(stream_bytes, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=max(1, round(frames / length_s)))
        stream.width, stream.height, stream.pix_fmt = width * scale, height * scale, "yuv420p"
        stream.options = {"crf": "16", "preset": "fast", "threads": "1"}
        for rgb_hw3 in rgb_thw3.repeat(scale, 1).repeat(scale, 2):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(rgb_hw3, format="rgb24")))
        file.mux(stream.encode())
    return stream_bytes.getvalue()
