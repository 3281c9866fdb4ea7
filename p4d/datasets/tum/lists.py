"""The lists of a TUM folder: `rgb.txt`, `depth.txt` and `groundtruth.txt`.

A line that cannot be read is left out and named; lines out of order are sorted. Stamps are seconds
in decimal digits and become whole nanoseconds exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.number_table import read_lines
from p4d.datasets.rotations import rotation_xyzw
from p4d.errors import ContractError, DatasetError
from p4d.paths import inside

Item = TypeVar("Item")

_SEPARATORS = str.maketrans(",\t", "  ")
_MAX_STAMP_S = Decimal(9_000_000_000)  # in nanoseconds it fits into 64 bits


@dataclass(frozen=True)
class StampedFiles:
    """Files by time, sorted."""

    times_ns: NDArray[np.int64]
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Trajectory:
    """Poses by time, sorted."""

    times_ns: NDArray[np.int64]
    poses_n44: NDArray[np.float64]


def stamp_ns(text: str) -> int:
    """A stamp in seconds as whole nanoseconds, without a float in between.

    Raises:
        DatasetError: it is no number, or beyond the year 2255.
    """
    try:
        seconds = Decimal(text)
    except InvalidOperation as error:
        raise DatasetError(f"{text[:40]!a} is no time in seconds") from error
    if not seconds.is_finite() or not abs(seconds) < _MAX_STAMP_S:
        raise DatasetError(f"{text[:40]!a} is no time in seconds")
    return int((seconds * 1_000_000_000).to_integral_value())


def read_files(folder: Path, name: str, problems: list[str]) -> StampedFiles:
    """A list of `stamp path`.

    Raises:
        DatasetError: the list is missing, or names no file of the folder.
    """
    found: list[tuple[int, Path]] = []
    for at, words in _rows(folder / name):
        where = f"{name}:{at}"
        if len(words) != 2:
            problems.append(f"{where}: expected a stamp and a path, found {len(words)} words")
            continue
        try:
            path = inside(folder, words[1])
            found.append((stamp_ns(words[0]), path))
        except (DatasetError, ContractError) as error:
            problems.append(f"{where}: {error}")
            continue
        if not path.is_file():
            problems.append(f"{where}: {words[1]} is missing")
            found.pop()
    kept = _sorted(found, name, problems)
    if not kept:
        reason = f" ({problems[-1]})" if problems else ""
        raise DatasetError(f"{folder.name}/{name} names no file of this folder{reason}")
    return StampedFiles(np.array([when for when, _ in kept]), tuple(path for _, path in kept))


def read_trajectory(path: Path, problems: list[str]) -> Trajectory:
    """A list of `stamp tx ty tz qx qy qz qw`, in metres; the matrices are exact rotations.

    Raises:
        DatasetError: the file cannot be read.
    """
    found: list[tuple[int, NDArray[np.float64]]] = []
    for at, words in _rows(path):
        try:
            found.append((stamp_ns(words[0]), _pose(words[1:])))
        except DatasetError as error:
            problems.append(f"{path.name}:{at}: {error}")
    kept = _sorted(found, path.name, problems)
    poses = np.stack([pose for _, pose in kept]) if kept else np.zeros((0, 4, 4))
    return Trajectory(np.array([when for when, _ in kept], np.int64), poses)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Words of each line that is no comment, with its number."""
    lines = enumerate(read_lines(path), 1)
    rows = [(at, line.translate(_SEPARATORS).split()) for at, line in lines]
    return [(at, words) for at, words in rows if words and not words[0].startswith("#")]


def _pose(words: list[str]) -> NDArray[np.float64]:
    if len(words) != 7:
        raise DatasetError(f"expected tx ty tz qx qy qz qw behind the stamp, found {len(words)}")
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(f"holds something that is no number: {error}") from error
    if not all(map(math.isfinite, numbers)):
        raise DatasetError("the pose is not finite")
    pose = np.eye(4)
    pose[:3, :3] = rotation_xyzw(numbers[3:])
    pose[:3, 3] = numbers[:3]
    return pose


def _sorted(
    found: list[tuple[int, Item]], name: str, problems: list[str]
) -> list[tuple[int, Item]]:
    """By time, the first of equal stamps; what was out of order is named."""
    times = [when for when, _ in found]
    if times != sorted(times):
        at = next(k for k in range(1, len(times)) if times[k] < times[k - 1])
        problems.append(f"{name}: lines are out of order from its entry {at + 1} on; sorted")
    kept: list[tuple[int, Item]] = []
    for when, item in sorted(found, key=lambda each: each[0]):
        if kept and kept[-1][0] == when:
            problems.append(f"{name}: the stamp {when / 1e9:.6f} occurs twice; the first counts")
        else:
            kept.append((when, item))
    return kept
