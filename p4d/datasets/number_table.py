"""Text files of numbers, one row to a line: poses, times, inertial measurements."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

MAX_TEXT_BYTES = 64 << 20
"""Largest text that is read: the longest sequence of poses has 2 MB."""


def read_lines(path: Path, *, max_bytes: int = MAX_TEXT_BYTES) -> list[str]:
    """The lines of a text file, without their ends and without empty lines at the end.

    Raises:
        DatasetError: the file is missing, too large, or no text.
    """
    try:
        size = path.stat().st_size
        payload = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    if size > max_bytes:
        raise DatasetError(f"{shown(path)}: is larger than {max_bytes} bytes")
    try:
        lines = payload.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{shown(path)}: is no text in UTF-8: {error.reason}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_numbers(path: Path, columns: int) -> NDArray[np.float64]:
    """A table of numbers, [rows, columns]; every line is a row.

    Raises:
        DatasetError: a line has another count of numbers, or something that is none.
    """
    rows = [numbers(path, at, line, columns) for at, line in enumerate(read_lines(path), 1)]
    return np.array(rows, np.float64).reshape(len(rows), columns)


def numbers(path: Path, at: int, line: str, columns: int) -> list[float]:
    """The finite numbers of one line; errors call it `path:at`.

    Raises:
        DatasetError: another count of numbers, or something that is none.
    """
    words = line.split()
    if len(words) != columns:
        raise DatasetError(f"{shown(path)}:{at}: holds {len(words)} values, expected {columns}")
    found = []
    for word in words:
        try:
            value = float(word)
        except ValueError as error:
            raise DatasetError(f"{shown(path)}:{at}: {word[:40]!a} is no number") from error
        if not math.isfinite(value):
            raise DatasetError(f"{shown(path)}:{at}: {word[:40]!a} is not finite")
        found.append(value)
    return found
