"""The DAVIS layout: one folder of pictures and one of palette masks per sequence.

    JPEGImages/480p/bear/00000.jpg   Annotations/480p/bear/00000.png   (DAVIS 2016, 2017, 2019)
    JPEGImages/bear/00000.jpg        Annotations/bear/00000.png        (YouTube-VOS, SAM 2's tools)

Values of a mask are ids, 0 is background, 255 void. DAVIS 2016 draws its one object as 255 and has
no void. Objects count from any mask: the official loader reads the first only and loses those that
appear later. Nothing states a frame rate, so times are declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject
from p4d.datasets.masks.indexed import VOID, ids_of, read_indexed
from p4d.datasets.masks.terms import DAVIS, LICENCE_OPTION, YOUTUBE_VOS, terms_of
from p4d.datasets.numbered import frames_of, numbered_files, subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, number_option, option
from p4d.datasets.shown import shown
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import read_foreign_json

PREFERRED = "480p"
DAVIS_HZ, YOUTUBE_VOS_HZ = 24.0, 30.0
"""YouTube-VOS numbers the frames of videos of 30 Hz and ships every fifth."""
MAX_META_BYTES = 256 << 20


class DavisReader:
    """Reads roots with `JPEGImages` and `Annotations`."""

    format = "davis"
    title = "DAVIS 2016, 2017 and 2019, YouTube-VOS, and masks of SAM 2's tools"
    options: Sequence[Option] = (
        Option("fps", "", "of the file numbers; default: 24, or 30 with YouTube-VOS's meta.json"),
        Option("resolution", "", "folder below JPEGImages; default: 480p, or else the only one"),
        Option("annotations", "Annotations", "folder of masks, such as Annotations_unsupervised"),
        LICENCE_OPTION,
    )  # fmt: skip

    def recognise(self, folder: Path) -> bool:
        """A folder with both folders."""
        return (folder / "JPEGImages").is_dir() and (folder / "Annotations").is_dir()

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Folders of pictures."""
        if not (folder / "JPEGImages").is_dir():
            raise DatasetError(
                f"{folder.name} has no DAVIS layout: JPEGImages and Annotations are expected in it"
            )
        found = subfolders(self._pictures(folder, options))
        if not found:
            raise DatasetError(f"{folder.name}/JPEGImages holds no folder of pictures")
        return found

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A sequence with its masks, as far as there are any."""
        pictures = self._pictures(folder, options)
        frames = frames_of(pictures / sequence)
        masks = folder / option(self, options, "annotations")
        masks /= pictures.relative_to(folder / "JPEGImages") / sequence
        problems: list[str] = []
        categories, has_meta = _categories(folder, sequence, problems)
        found = _scan(masks, frames, problems)
        first = next(iter(frames.values()))
        height, width = read_rgb(first).shape[:2]
        fps, rate_note = self._rate(options, has_meta)
        published = YOUTUBE_VOS if has_meta else DAVIS
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"{'YouTube-VOS' if has_meta else 'DAVIS layout'}, sequence {sequence}",
            terms=terms_of(self, options, published),
            times_ns=np.array([round(number * 1e9 / fps) for number in frames], np.int64),
            times="declared",
            size_px=(width, height),
            frame=_MaskedFrames(frames, found).frame,
            objects=tuple(
                CapturedObject(
                    id=each, name=categories.get(each, ""), category=categories.get(each, "")
                )
                for each in found.ids
            ),
            notes=(rate_note, *found.notes),
            problems=tuple(problems),
        )

    def _pictures(self, folder: Path, options: Options) -> Path:
        """The folder that holds the sequences: JPEGImages, or one resolution in it."""
        root = folder / "JPEGImages"
        chosen = option(self, options, "resolution")
        if chosen:
            if chosen not in subfolders(root):
                raise DatasetError(
                    f"{folder.name}/JPEGImages has no {chosen!r}; it has "
                    f"{', '.join(subfolders(root)[:8])}"
                )
            return root / chosen
        sizes = [name for name in subfolders(root) if subfolders(root / name)]
        if not sizes:
            return root
        if PREFERRED in sizes or len(sizes) == 1:
            return root / (PREFERRED if PREFERRED in sizes else sizes[0])
        raise DatasetError(
            f"{folder.name}/JPEGImages has {', '.join(sizes[:8])}; choose one with "
            f"--set resolution={sizes[0]}"
        )

    def _rate(self, options: Options, has_meta: bool) -> tuple[float, str]:
        if option(self, options, "fps"):
            return number_option(self, options, "fps"), "rate as set by the user"
        rate = YOUTUBE_VOS_HZ if has_meta else DAVIS_HZ
        return rate, f"no rate is stated: file numbers are taken as frames at {rate:g} Hz"


@dataclass(frozen=True)
class _FoundMasks:
    """What a pass over the masks of a sequence found."""

    paths: dict[int, Path]
    ids: tuple[int, ...]
    binary: bool
    notes: tuple[str, ...]


class _MaskedFrames:
    """Pictures and masks by position; both are found by the number of their files."""

    def __init__(self, frames: dict[int, Path], masks: _FoundMasks) -> None:
        self._frames = list(frames.items())
        self._masks = masks

    def frame(self, index: int) -> CapturedFrame:
        number, path = self._frames[index]
        rgb = read_rgb(path)
        mask = self._masks.paths.get(number)
        if mask is None:
            return CapturedFrame(rgb_hw3=rgb)
        try:
            values, _ = read_indexed(mask)
        except DatasetError as error:
            return CapturedFrame(rgb_hw3=rgb, problems=(f"{error}; the frame has no masks",))
        ids, _ = ids_of(values, binary=self._masks.binary)
        return CapturedFrame(rgb_hw3=rgb, instance_hw=ids)


def _scan(folder: Path, frames: dict[int, Path], problems: list[str]) -> _FoundMasks:
    """Every id of every mask, and the masks that have a picture."""
    try:
        masks = numbered_files(folder, (".png",))
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no masks")
        return _FoundMasks({}, (), False, ())
    if strays := [path.name for number, path in masks.items() if number not in frames]:
        problems.append(
            f"{shown(folder)}: {len(strays)} mask(s) without a picture of that number, such as "
            f"{strays[0]}; left out"
        )
    paths = {number: path for number, path in masks.items() if number in frames}
    values: set[int] = set()
    void_px = 0
    for path in paths.values():
        try:
            found, counts = np.unique(read_indexed(path)[0], return_counts=True)
        except DatasetError:
            continue  # named when its frame is read
        values |= set(found.tolist())
        void_px += int(counts[found == VOID].sum())
    binary = values <= {0, VOID} and VOID in values
    ids = (1,) if binary else tuple(sorted(values - {0, VOID}))
    notes = []
    if len(paths) < len(frames):
        notes.append(f"{len(paths)} of {len(frames)} frames have masks")
    if binary:
        notes.append("masks of 0 and 255: one object")
    elif void_px:
        notes.append(f"{void_px} void pixels (255) are background")
    return _FoundMasks(paths, ids, binary, tuple(notes))


def _categories(folder: Path, sequence: str, problems: list[str]) -> tuple[dict[int, str], bool]:
    """Categories of ids from YouTube-VOS's meta.json, and whether there is one."""
    path = folder / "meta.json"
    if not path.is_file():
        return {}, False
    try:
        meta = read_foreign_json(path, max_bytes=MAX_META_BYTES)
        objects = meta["videos"][sequence]["objects"]
        return {int(number): str(each.get("category", ""))[:80] for number, each in
                objects.items()}, True  # fmt: skip
    except ContractError as error:
        problems.append(f"{error}; objects have no categories")
    except (KeyError, TypeError, ValueError, AttributeError):
        problems.append(
            f"{shown(path)}: has no objects of video {sequence!r}; they have no categories"
        )
    return {}, True
