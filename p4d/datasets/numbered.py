"""Folders of pictures whose names are numbers: frames by number, never by position in a listing."""

from __future__ import annotations

from pathlib import Path

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
MAX_DIGITS = 18


def numbered_files(folder: Path, suffixes: tuple[str, ...] = PICTURES) -> dict[int, Path]:
    """Files `NUMBER.suffix` of a folder by number, in increasing order; other files are left out.

    Raises:
        DatasetError: the folder is missing or cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise DatasetError(f"{shown(folder)}: cannot be read: {error.strerror}") from error
    found: dict[int, Path] = {}
    for path in paths:
        stem = path.stem
        if stem.isascii() and stem.isdigit() and len(stem) <= MAX_DIGITS:
            found.setdefault(int(stem), path)
    return dict(sorted(found.items()))


def frames_of(folder: Path) -> dict[int, Path]:
    """Pictures of a sequence by number; at least two.

    Raises:
        DatasetError: the folder is missing or holds fewer than two.
    """
    found = numbered_files(folder)
    if len(found) < 2:
        raise DatasetError(
            f"{shown(folder)}: holds {len(found)} picture(s) named by a number, expected a "
            "sequence "
            "such as 00000.jpg, 00001.jpg"
        )
    return found


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones and links are left out."""
    try:
        return sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
        )
    except OSError:
        return []


def gaps(numbers: list[int], step: int = 1) -> list[int]:
    """Numbers that a series with a constant step lacks between its first and last."""
    there = set(numbers)
    return [each for each in range(numbers[0], numbers[-1], step) if each not in there]
