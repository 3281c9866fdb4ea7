"""The formats that are read, by name. A new format is one reader and one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from p4d.datasets.formats.movi import MoviReader
from p4d.datasets.kitti.flow2015 import KittiFlowReader
from p4d.datasets.kitti.odometry import KittiOdometryReader
from p4d.datasets.kitti.raw import KittiRawReader
from p4d.datasets.kitti.tracking import KittiMotsReader
from p4d.datasets.masks.davis import DavisReader
from p4d.datasets.masks.sav import SavReader
from p4d.datasets.masks.videorefer import VideoReferReader
from p4d.datasets.masks.youtube_vis import YoutubeVisReader
from p4d.datasets.reader import DatasetReader
from p4d.datasets.scannet.reader import ScanNetReader
from p4d.datasets.sintel.reader import SintelReader
from p4d.datasets.tum.reader import BonnReader, TumReader
from p4d.errors import DatasetError

READERS: tuple[DatasetReader, ...] = (
    MoviReader(),
    BonnReader(),
    TumReader(),
    ScanNetReader(),
    SintelReader(),
    KittiRawReader(),
    KittiOdometryReader(),
    KittiMotsReader(),
    KittiFlowReader(),
    SavReader(),
    VideoReferReader(),
    YoutubeVisReader(),
    DavisReader(),
)
"""In the order in which a folder is tried: the more specific layout first."""

BY_FORMAT: Mapping[str, DatasetReader] = {reader.format: reader for reader in READERS}

MAX_DEPTH = 8
"""Folders within one another that are searched for a dataset's root."""


@dataclass(frozen=True)
class DatasetRoot:
    """A folder that one of the formats recognises."""

    format: str
    folder: Path


def reader_named(name: str) -> DatasetReader:
    """The reader of a format.

    Raises:
        DatasetError: there is none; the message lists the formats.
    """
    if name not in BY_FORMAT:
        raise DatasetError(f"no dataset format {name!r}; formats: {', '.join(BY_FORMAT)}")
    return BY_FORMAT[name]


def recognise(folder: Path) -> str | None:
    """The format of a folder, or None."""
    return next((reader.format for reader in READERS if reader.recognise(folder)), None)


def find_roots(folder: Path, only: str | None = None) -> Iterator[DatasetRoot]:
    """Roots of datasets in a folder, itself included, sorted; nothing below a root is searched.

    Hidden folders and links are not followed.

    Args:
        folder: where to search.
        only: one format.
    """
    readers = [reader_named(only)] if only else list(READERS)
    waiting = [(folder, 0)]
    while waiting:
        where, depth = waiting.pop()
        found = next((reader.format for reader in readers if reader.recognise(where)), None)
        if found:
            yield DatasetRoot(found, where)
        elif depth < MAX_DEPTH:
            below = sorted(_folders(where), reverse=True)
            waiting += [(each, depth + 1) for each in below]


def _folders(folder: Path) -> list[Path]:
    try:
        return [
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and path.is_dir() and not path.is_symlink()
        ]
    except OSError:  # it was removed meanwhile, or may not be read
        return []
