"""Writes one offline HTML page of sampled questions: clip, marks, options, facts and derivation."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from p4d.artifacts import read_table, write_bytes
from p4d.drawing import png
from p4d.pages.render import data_uri, render
from p4d.review.items import (
    FactText,
    Item,
    fact_text,
    read_items,
    release_id,
    sample_questions,
    without_bound,
)
from p4d.review.question_view import basis, mark_colour, question_parts
from p4d.review.verdicts import LETTERS


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """A page that was written.

    Attributes:
        path: the HTML file.
        questions: how many questions it shows.
        nbytes: its size.
        left_out: questions about videos whose terms bind their pictures to this project.
    """

    path: Path
    questions: int
    nbytes: int
    left_out: int


@dataclass(frozen=True, kw_only=True)
class _Card:
    """One question as the template shows it.

    Attributes:
        row: the row of the release's `questions.parquet`.
        question: the text in parts: a `str`, or the number of a mark.
        options: letter and text of each option.
        facts: the facts of the answer.
        basis: what the facts were measured from.
        clip_uri, marks_uri, frames_uri: pictures as `data:` URIs.
        clip_caption, frames_caption: their captions.
    """

    row: Mapping[str, Any]
    question: Sequence[str | int]
    options: Sequence[tuple[str, str]]
    facts: Sequence[FactText]
    basis: str
    clip_uri: str
    clip_caption: str
    marks_uri: str
    frames_uri: str
    frames_caption: str


def write_gallery(
    release: Path,
    path: Path,
    *,
    sample: int | None = 60,
    categories: Sequence[str] = (),
    bound: bool = False,
) -> Gallery:
    """Write the page; everything that it shows is in the one file.

    Args:
        release: folder of a release, beside the folders of the stages it was made from.
        path: the HTML file.
        sample: how many questions, families in turn; None for all.
        categories: only these; empty for all.
        bound: also questions about videos whose terms forbid that others get their pictures.

    Raises:
        ContractError: there is no release, no question of the categories, or none may be shown.
    """
    name = release_id(release)
    asked = read_table(release / "questions.parquet")
    free = asked if bound else without_bound(asked, release)
    questions = sample_questions(free, sample, categories)
    items = sorted(
        read_items(release, questions), key=lambda item: (item.row["category"], item.row["qa_id"])
    )
    counts = Counter(item.row["category"] for item in items)
    page = render(
        "review/gallery.html.j2",
        release=name,
        counts=dict(sorted(counts.items())),
        cards=[_card(item) for item in items],
        colour=mark_colour,
    ).encode()
    write_bytes(path, page)
    left_out = len(asked) - len(free)
    return Gallery(path=path, questions=len(items), nbytes=len(page), left_out=left_out)


def clip_webp(rgb_thw3: np.ndarray, length_s: float) -> bytes:
    """The clip as a lossless animated WebP that repeats, at its own resolution."""
    stream = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in rgb_thw3]
    first.save(
        stream, "WEBP", save_all=True, append_images=rest, lossless=True, loop=0,
        duration=round(1000 * length_s / len(rgb_thw3)),
    )  # fmt: skip
    return stream.getvalue()


def frames_webp(rgb_thw3: np.ndarray) -> bytes:
    """The frames side by side, lightly compressed."""
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(list(rgb_thw3), axis=1)).save(stream, "WEBP", quality=85)
    return stream.getvalue()


def _card(item: Item) -> _Card:
    row, frames = item.row, item.rgb_thw3
    step_s = item.length_s / len(frames)
    times = ", ".join(f"{k * step_s:.2f}" for k in range(len(frames)))
    return _Card(
        row=row,
        question=question_parts(row["question"]),
        options=list(zip(LETTERS, row["options"], strict=False)),
        facts=[fact_text(fact, item.marks) for fact in item.facts],
        basis=basis(row["has_truth"], (fact.teacher for fact in item.facts)),
        clip_uri=data_uri(clip_webp(frames, item.length_s), "image/webp"),
        clip_caption=f"clip, {item.length_s:.1f} s",
        marks_uri=data_uri(png(item.marks_hw3), "image/png"),
        frames_uri=data_uri(frames_webp(frames), "image/webp"),
        frames_caption=f"frames at {times} s",
    )
