"""SA-V: videos with masklets as run lengths (training), or pictures with a folder per object.

    sav_000001.mp4  sav_000001_manual.json  sav_000001_auto.json           (training)
    JPEGImages_24fps/VIDEO/00000.jpg  Annotations_6fps/VIDEO/000/00000.png (validation, test)

Masklets belong to every fourth frame: 6 Hz of 24. `masklet` is a list over annotated frames of
lists over objects, all in the order of `masklet_id`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject, Terms
from p4d.datasets.masks.indexed import read_indexed
from p4d.datasets.masks.terms import LICENCE_OPTION, SA_V, terms_of
from p4d.datasets.masks.track_capture import TrackedVideo, capture_of
from p4d.datasets.masks.tracks import MaskTrack
from p4d.datasets.numbered import frames_of, numbered_files, subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, option
from p4d.datasets.shown import shown
from p4d.datasets.video_file import VideoFile
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import read_foreign_json

STEP = 4
"""From one annotated frame to the next, in frames of the video."""
RATE_HZ = 24.0
MAX_JSON_BYTES = 512 << 20
_MASKLETS = re.compile(r"(.+)_(manual|auto)\.json")
_PICTURES, _MASKS = "JPEGImages_24fps", "Annotations_6fps"


class SavReader:
    """Reads folders of SA-V, of either form."""

    format = "sav"
    title = "SA-V, the data set of SAM 2"
    options: Sequence[Option] = (
        Option("masklets", "manual", "manual or auto, of the training videos"),
        Option("frames", "annotated", "annotated: every fourth, which has masks; or all"),
        LICENCE_OPTION,
    )

    def recognise(self, folder: Path) -> bool:
        """A video with its masklets, or both folders of the evaluation sets."""
        return (folder / _PICTURES).is_dir() or bool(_videos(folder))

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Names of the videos."""
        found = subfolders(folder / _PICTURES) or _videos(folder)
        if not found:
            raise DatasetError(
                f"{folder.name} has neither {_PICTURES} nor a video with its masklets, such as "
                "sav_000001.mp4 beside sav_000001_manual.json"
            )
        return found

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A video with its masklets."""
        terms = terms_of(self, options, SA_V)
        kind = _chosen(self, options, "masklets", ("manual", "auto"))
        step = STEP if _chosen(self, options, "frames", ("annotated", "all")) != "all" else 1
        if (folder / _PICTURES).is_dir():
            return _evaluation_capture(folder, sequence, terms, step)
        video = VideoFile(folder / f"{sequence}.mp4")
        annotations = folder / f"{sequence}_{kind}.json"
        tracks, problems = _masklets(annotations, len(video))
        return capture_of(
            TrackedVideo(
                times_ns=video.times_ns[::step],
                times="measured",
                size_px=video.size_px,
                picture=lambda index: video.picture(step * index),
                tracks=tracks,
                numbers=range(0, len(video), step),
                file_name=annotations.name,
            ),
            dataset=self.format,
            sequence=sequence,
            source=f"SA-V, video {sequence}",
            terms=terms,
            notes=(f"{kind} masklets of every fourth frame", _kept(step)),
            problems=problems,
        )


def _chosen(reader: SavReader, options: Options, name: str, allowed: tuple[str, ...]) -> str:
    value = option(reader, options, name)
    if value not in allowed:
        raise DatasetError(f"--set {name}={value}: expected {' or '.join(allowed)}")
    return value


def _kept(step: int) -> str:
    return "only annotated frames are kept" if step > 1 else "all frames are kept"


def _videos(folder: Path) -> list[str]:
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return []
    stems = {found[1] for name in names if (found := _MASKLETS.fullmatch(name))}
    return sorted(stem for stem in stems if f"{stem}.mp4" in names)


def _masklets(path: Path, frames: int) -> tuple[list[MaskTrack], list[str]]:
    """Objects by frame of the video, and what of the file is not used."""
    try:
        stated = read_foreign_json(path, max_bytes=MAX_JSON_BYTES, name=path.name)
    except ContractError as error:
        return [], [f"{error}; the video has no masks"]
    masklet = stated.get("masklet") if isinstance(stated, dict) else None
    if not isinstance(masklet, list) or not all(isinstance(each, list) for each in masklet):
        return [], [f"{path.name}: masklet is no list of lists; the video has no masks"]
    expected = -(-frames // STEP)
    if len(masklet) != expected:
        return [], [
            f"{path.name}: masklet has {len(masklet)} entries; a video of {frames} frames has "
            f"{expected} that are annotated, every fourth: the file belongs to another video, "
            "or its rate was changed; the video has no masks"
        ]
    ids = _masklet_ids(stated, max((len(each) for each in masklet), default=0))
    return [
        MaskTrack(
            id=number + 1,  # masklet ids begin with 0, which is the background here
            where=f"masklet {number}",
            segmentations={
                STEP * at: each[place] for at, each in enumerate(masklet) if place < len(each)
            },
        )
        for place, number in enumerate(ids)
    ], []


def _masklet_ids(stated: Mapping[str, object], count: int) -> list[int]:
    """The file's own ids, if they are that many different numbers, or else places."""
    ids = stated.get("masklet_id")
    usable = (
        isinstance(ids, list)
        and len(ids) == len(set(map(str, ids))) == count
        and all(type(each) is int and 0 <= each < 1 << 30 for each in ids)
    )
    return list(ids) if usable and isinstance(ids, list) else list(range(count))


def _evaluation_capture(folder: Path, sequence: str, terms: Terms, step: int) -> Capture:
    """A sequence of pictures at 24 Hz with one folder of masks per object."""
    frames = frames_of(folder / _PICTURES / sequence)
    frames = {number: path for number, path in frames.items() if number % step == 0}
    objects = {
        int(name): numbered_files(folder / _MASKS / sequence / name, (".png",))
        for name in subfolders(folder / _MASKS / sequence)
        if name.isascii() and name.isdigit()
    }
    height, width = read_rgb(next(iter(frames.values()))).shape[:2]
    problems = [] if objects else [f"{_MASKS}/{sequence}: holds no masks"]
    return Capture(
        dataset=SavReader.format,
        sequence=sequence,
        source=f"SA-V, video {sequence}",
        terms=terms,
        times_ns=np.array([round(number * 1e9 / RATE_HZ) for number in frames], np.int64),
        times="declared",
        size_px=(width, height),
        frame=_ObjectFolders(frames, objects).frame,
        objects=tuple(CapturedObject(id=number + 1, name="") for number in objects),
        notes=("pictures were extracted at 24 Hz; every fourth has masks", _kept(step)),
        problems=tuple(problems),
    )


class _ObjectFolders:
    """Pictures by position, with one binary mask per object; smaller objects lie on top."""

    def __init__(
        self, frames: Mapping[int, Path], objects: Mapping[int, Mapping[int, Path]]
    ) -> None:
        self._frames = list(frames.items())
        self._objects = objects

    def frame(self, index: int) -> CapturedFrame:
        number, path = self._frames[index]
        rgb = read_rgb(path)
        masks, problems = [], []
        for each, files in self._objects.items():
            if number not in files:
                continue
            try:
                mask = read_indexed(files[number])[0] > 0
                if mask.shape != rgb.shape[:2]:
                    raise DatasetError(
                        f"{shown(files[number])}: has {mask.shape[1]}x{mask.shape[0]} px, the "
                        "picture "
                        f"{rgb.shape[1]}x{rgb.shape[0]}"
                    )
            except DatasetError as error:
                problems.append(f"{error}; left out")
                continue
            masks.append((int(mask.sum()), each + 1, mask))
        if not masks and not problems:
            return CapturedFrame(rgb_hw3=rgb)
        ids = np.zeros(rgb.shape[:2], np.int32)
        for _, each, mask in sorted(masks, key=lambda item: (-item[0], item[1])):
            ids[mask] = each
        return CapturedFrame(
            rgb_hw3=rgb, instance_hw=ids if masks else None, problems=tuple(problems)
        )
