"""YouTube-VIS and whatever writes like it (OVIS, BURST exports, MeViS): COCO's JSON for videos.

    JPEGImages/VIDEO/00000.jpg   instances.json

`videos` lists the files of each video in order; `segmentations[i]` of an annotation belongs to
`file_names[i]`, and is run lengths in either spelling, polygons, or null where the object is not
seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from p4d.datasets.capture import Capture
from p4d.datasets.masks.annotation_file import read_annotations
from p4d.datasets.masks.terms import LICENCE_OPTION, YOUTUBE_VOS, terms_of
from p4d.datasets.masks.track_capture import TrackedVideo, capture_of
from p4d.datasets.masks.tracks import MaskTrack
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, number_option, option
from p4d.errors import ContractError, DatasetError
from p4d.paths import inside

RATE_HZ = 30.0
"""Of the videos whose frame numbers name the files."""


class YoutubeVisReader:
    """Reads a folder with `JPEGImages` and a JSON file of annotations."""

    format = "youtube_vis"
    title = "YouTube-VIS, OVIS and other COCO files of videos"
    options: Sequence[Option] = (
        Option("annotations", "instances.json", "the JSON file, relative to the folder"),
        Option("fps", "30", "frames per second of the numbers in the names of the files"),
        LICENCE_OPTION,
    )

    def recognise(self, folder: Path) -> bool:
        """A folder with pictures and `instances.json`."""
        return (folder / "JPEGImages").is_dir() and (folder / "instances.json").is_file()

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Names of the videos: the folders of their files."""
        _, stated = self._stated(folder, options)
        return sorted(_name(video) for video in stated["videos"] if _name(video))

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A video with its objects."""
        path, stated = self._stated(folder, options)
        video = next((each for each in stated["videos"] if _name(each) == sequence), None)
        if video is None:
            raise DatasetError(f"{path.name}: has no video {sequence!r}")
        files = _files(folder, video)
        tracks, problems = _tracks(path.name, stated, video, len(files))
        height, width = read_rgb(files[0]).shape[:2]
        problems += _size_problems(path.name, video, (width, height))
        times_ns, note = _times(files, number_option(self, options, "fps"))
        return capture_of(
            TrackedVideo(
                times_ns=times_ns,
                times="declared",
                size_px=(width, height),
                picture=lambda index: read_rgb(files[index]),
                tracks=tracks,
                numbers=range(len(files)),
                file_name=path.name,
            ),
            dataset=self.format,
            sequence=sequence,
            source=f"{path.name}, video {sequence}",
            terms=terms_of(self, options, YOUTUBE_VOS),
            notes=(note,),
            problems=problems,
        )

    def _stated(self, folder: Path, options: Options) -> tuple[Path, Mapping[str, Any]]:
        path = folder / option(self, options, "annotations")
        try:
            stated = read_annotations(path)
        except DatasetError as error:
            raise DatasetError(
                f"{error}; name the file of annotations with --set annotations=FILE.json"
            ) from error
        if not isinstance(stated, dict) or not isinstance(stated.get("videos"), list):
            raise DatasetError(f"{path.name}: has no list `videos`; it is no file of YouTube-VIS")
        return path, stated


def _name(video: object) -> str:
    """The folder of a video's files, or nothing if the entry has none."""
    names = video.get("file_names") if isinstance(video, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return ""
    return names[0].rpartition("/")[0] or names[0]


def _files(folder: Path, video: Mapping[str, Any]) -> list[Path]:
    try:
        return [inside(folder / "JPEGImages", name) for name in video["file_names"]]
    except ContractError as error:
        raise DatasetError(f"file_names of video {_name(video)}: {error}") from error


def _times(files: Sequence[Path], rate_hz: float) -> tuple[np.ndarray, str]:
    """Times by the numbers in the names, if these increase; by position otherwise."""
    numbers = [int(p.stem) if p.stem.isascii() and p.stem.isdigit() else -1 for p in files]
    if min(numbers) < 0 or any(b <= a for a, b in itertools.pairwise(numbers)):
        numbers = list(range(len(files)))
        note = f"names of files hold no times: frames are {1000 / rate_hz:g} ms apart"
    else:
        note = f"no rate is stated: numbers of files are taken as frames at {rate_hz:g} Hz"
    return np.array([round(each * 1e9 / rate_hz) for each in numbers], np.int64), note


def _tracks(
    file_name: str, stated: Mapping[str, Any], video: Mapping[str, Any], frames: int
) -> tuple[list[MaskTrack], list[str]]:
    annotations = stated.get("annotations")
    if not isinstance(annotations, list):
        return [], [f"{file_name}: has no list `annotations`; the video has no masks"]
    categories = {
        each.get("id"): str(each.get("name", ""))
        for each in stated.get("categories") or []
        if isinstance(each, dict)
    }
    tracks: list[MaskTrack] = []
    problems: list[str] = []
    for place, each in enumerate(annotations):
        if not isinstance(each, dict) or each.get("video_id") != video.get("id"):
            continue
        where = f"annotations[{place}]"
        segmentations = each.get("segmentations")
        if not isinstance(segmentations, list) or len(segmentations) != frames:
            count = len(segmentations) if isinstance(segmentations, list) else "no"
            problems.append(
                f"{file_name}: {where} has {count} segmentations, the video {frames} files; "
                "the object is left out"
            )
            continue
        tracks.append(
            MaskTrack(
                id=len(tracks) + 1,
                where=where,
                segmentations=dict(enumerate(segmentations)),
                category=categories.get(each.get("category_id"), ""),
            )
        )
    return tracks, problems


def _size_problems(file_name: str, video: Mapping[str, Any], size_px: tuple[int, int]) -> list[str]:
    stated = (video.get("width"), video.get("height"))
    if stated == size_px or stated == (None, None):
        return []
    return [
        f"{file_name}: states {stated[0]}x{stated[1]} px for the video, its pictures have "
        f"{size_px[0]}x{size_px[1]}; masks of another size are left out"
    ]
