"""Reads an exported folder back, and refuses rows whose texts, media or answers do not agree.

For those who change an export and want to know that it still holds together, and for tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from p4d.datasets.masks.rle import decode
from p4d.errors import ContractError
from p4d.exports.training.rows import user_text
from p4d.paths import relative_path
from p4d.students.model.chat import IMAGE, LETTERS, VIDEO


@dataclass(frozen=True, kw_only=True)
class ExportedQuestion:
    """One row of an export.

    Attributes:
        qa_id, clip_id, split, category: as in the release.
        question, options: of the question.
        answer_index: None where the answer is held out.
        facts: behind the answer, with unit and sigma; None where the answer is held out.
        masks_khw: bool masks of the marked regions in the first frame, in mark order.
        times_s: true time of each frame since the start of the clip.
        video, picture: the clip, and its first frame with marks.
    """

    qa_id: str
    clip_id: str
    split: str
    category: str
    question: str
    options: tuple[str, ...]
    answer_index: int | None
    facts: tuple[dict[str, Any], ...] | None
    masks_khw: np.ndarray
    times_s: tuple[float, ...]
    video: Path
    picture: Path


def read_export(folder: Path, split: str) -> Iterator[ExportedQuestion]:
    """The rows of one split, in order.

    Raises:
        ContractError: the file is missing, or a row does not hold together; names the line.
    """
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise ContractError(f"{path} does not exist; an export has a file per split with rows")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            yield _question(folder, json.loads(line))
        except (ValueError, KeyError, TypeError, ContractError) as error:
            raise ContractError(f"{path.name}, line {number}: {error}") from error


def _question(folder: Path, row: dict[str, Any]) -> ExportedQuestion:
    user, *answers = row["messages"]
    text = user_text(row["question"], row["options"])
    if user != {"role": "user", "content": text}:
        raise ContractError("the user's turn is not that of the question and its options")
    for tag, files in ((IMAGE, row["images"]), (VIDEO, row["videos"])):
        if text.count(tag) != len(files):
            raise ContractError(f"{text.count(tag)} times {tag} for {len(files)} files")
    solution = row["solution"]
    if [turn["content"] for turn in answers] != ([] if solution is None else [solution]):
        raise ContractError(f"the answer is not {solution}")
    (picture,), (video,) = row["images"], row["videos"]
    media = [folder / relative_path(name) for name in (video, picture)]
    if missing := [path.name for path in media if not path.is_file()]:
        raise ContractError(f"{missing[0]} is not in the folder")
    masks = [decode(each["segmentation"]) for each in json.loads(row["regions"])]
    return ExportedQuestion(
        qa_id=row["id"],
        clip_id=row["clip_id"],
        split=row["split"],
        category=row["category"],
        question=row["question"],
        options=tuple(row["options"]),
        answer_index=None if solution is None else LETTERS.index(solution),
        facts=None if row["facts"] is None else tuple(json.loads(row["facts"])),
        masks_khw=np.stack(masks) if masks else np.zeros((0, 0, 0), bool),
        times_s=tuple(row["frames_pts_s"]),
        video=media[0],
        picture=media[1],
    )
