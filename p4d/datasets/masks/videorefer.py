"""VideoRefer: instruction rows whose regions are masks of single frames.

    VideoRefer-detailed-caption.json   videos/xxx.mp4

A row has `video` and `annotation`: a list over objects, each an object of JSON whose keys are
numbers of frames and whose values have a `segmentation`, run lengths or polygons. Some have none,
or counts that are null (PixelRefer, issue 15). Rows about one video share it: each different region
becomes an object once. The conversations are not read here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from p4d.datasets.capture import Capture
from p4d.datasets.masks.row_file import RowFile
from p4d.datasets.masks.terms import LICENCE_OPTION, VIDEOREFER, terms_of
from p4d.datasets.masks.track_capture import TrackedVideo, capture_of
from p4d.datasets.masks.tracks import MaskTrack
from p4d.datasets.reader import Option, Options, option
from p4d.datasets.video_file import VideoFile
from p4d.errors import ContractError, DatasetError
from p4d.paths import inside


class VideoReferReader:
    """Reads a folder with one file of rows and the videos that it names."""

    format = "videorefer"
    title = "VideoRefer-700K and VideoRefer-Bench"
    options: Sequence[Option] = (
        Option("annotations", "", "the JSON file; default: the only VideoRefer*.json"),
        LICENCE_OPTION,
    )

    def recognise(self, folder: Path) -> bool:
        """A folder with a file `VideoRefer*.json`."""
        return bool(_files(folder))

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Paths of the videos that rows with regions name."""
        path = self._path(folder, options)
        return sorted(RowFile.of(path).places)

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A video with the regions of all its rows."""
        path = self._path(folder, options)
        try:
            video = VideoFile(inside(folder, sequence))
        except ContractError as error:
            raise DatasetError(f"{path.name}: video {sequence!r}: {error}") from error
        tracks, problems = _tracks(path, sequence)
        return capture_of(
            TrackedVideo(
                times_ns=video.times_ns,
                times="measured",
                size_px=video.size_px,
                picture=video.picture,
                tracks=tracks,
                numbers=range(len(video)),
                file_name=path.name,
            ),
            dataset=self.format,
            sequence=sequence,
            source=f"VideoRefer, {path.name}, video {sequence}",
            terms=terms_of(self, options, VIDEOREFER),
            notes=("regions are known in single frames",),
            problems=problems,
        )

    def _path(self, folder: Path, options: Options) -> Path:
        named = option(self, options, "annotations")
        if named:
            return folder / named
        found = _files(folder)
        if len(found) != 1:
            names = ", ".join(path.name for path in found[:8]) or "none"
            raise DatasetError(
                f"{folder.name} has {len(found)} files VideoRefer*.json ({names}); choose one "
                "with --set annotations=FILE.json"
            )
        return found[0]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("VideoRefer*.json"))
    except OSError:
        return []


def _tracks(path: Path, sequence: str) -> tuple[list[MaskTrack], list[str]]:
    tracks: list[MaskTrack] = []
    problems: list[str] = []
    seen: set[str] = set()
    for place, row in RowFile.of(path).rows(sequence):
        for number, region in enumerate(row["annotation"]):
            where = f"row {place}, region {number}"
            segmentations, wrong = _segmentations(region)
            problems += [f"{path.name}: {where}: {each}; left out" for each in wrong]
            key = json.dumps(segmentations, sort_keys=True)
            if not segmentations or key in seen:
                continue
            seen.add(key)
            tracks.append(MaskTrack(len(tracks) + 1, where, segmentations))
    return tracks, problems


def _segmentations(region: object) -> tuple[dict[int, object], list[str]]:
    """A region's segmentations by frame, and what is wrong with the others."""
    if not isinstance(region, dict):
        return {}, ["is no object of frames"]
    found: dict[int, object] = {}
    wrong = []
    for key, value in region.items():
        if not (key.isascii() and key.isdigit() and len(key) < 10):
            wrong.append(f"frame {key[:40]!a} is no number")
            continue
        segmentation = value.get("segmentation") if isinstance(value, dict) else None
        if not segmentation:
            wrong.append(f"frame {key} has no segmentation")
        elif isinstance(segmentation, dict) and segmentation.get("counts") is None:
            wrong.append(f"frame {key} has counts null")
        else:
            found[int(key)] = segmentation
    return found, wrong
