"""Masks of KITTI MOTS: 16-bit PNG with class * 1000 + instance, or lines of run lengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.masks.rle import decode
from p4d.datasets.number_table import read_lines
from p4d.datasets.png16 import read_png16
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

CLASSES = {1: "car", 2: "pedestrian"}
IGNORE_ID = 10_000
"""A region in which objects may be that nobody labelled; class 10 in the text form."""
PER_CLASS = 1_000


@dataclass(frozen=True)
class MotsLine:
    """One line of the text form: an object in one frame."""

    number: int
    frame: int
    id: int
    size_hw: tuple[int, int]
    counts: str


def category_of(track_id: int) -> str:
    """Class of an id, by the name that KITTI gives it; unknown classes are numbered."""
    number = track_id // PER_CLASS
    return CLASSES.get(number, f"class {number}")


def read_mots_png(path: Path) -> NDArray[np.int32]:
    """Ids [H, W] of one frame; 0 is background, `IGNORE_ID` stays."""
    return read_png16(path, channels=1).astype(np.int32)


def read_mots_lines(path: Path) -> tuple[list[MotsLine], list[str]]:
    """The lines of a text file, in any order, and what is wrong with those that are left out.

    The form is `time_frame id class_id height width rle`.

    Raises:
        DatasetError: the file is missing or no text.
    """
    lines, problems = [], []
    for at, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        try:
            frame, track_id, class_id, height, width = (int(word) for word in words[:5])
            (counts,) = words[5:]
        except ValueError:
            problems.append(
                f"{shown(path)}:{at}: is no line `time_frame id class_id height width rle`; left "
                "out"
            )
            continue
        if track_id // PER_CLASS != class_id or frame < 0:
            problems.append(
                f"{shown(path)}:{at}: id {track_id} of class {class_id} in frame {frame}; an id is "
                f"class * {PER_CLASS} + instance; left out"
            )
            continue
        lines.append(MotsLine(at, frame, track_id, (height, width), counts))
    return lines, problems


def draw_mots(
    path: Path, lines: Iterable[MotsLine], size_hw: tuple[int, int]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Ids [H, W] of the lines of one frame, and what is wrong with those that are left out."""
    ids = np.zeros(size_hw, np.int32)
    problems = []
    for line in lines:
        try:
            mask = decode({"size": list(line.size_hw), "counts": line.counts}, size_hw=size_hw)
        except DatasetError as error:
            problems.append(f"{shown(path)}:{line.number}: {error}; left out")
            continue
        if (ids[mask] != 0).any():
            problems.append(
                f"{shown(path)}:{line.number}: overlaps another object of frame {line.frame}, "
                "which keeps its pixels"
            )
            mask &= ids == 0
        ids[mask] = line.id
    return ids, tuple(problems)
