"""Reader of MPI Sintel: both passes of each sequence, with depth, cameras and backward flow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.backward_flow import backward_flow
from p4d.datasets.capture import Capture, CapturedFrame, Terms
from p4d.datasets.numbered import subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, number_option
from p4d.datasets.shown import shown
from p4d.datasets.sintel.files import read_camera, read_depth, read_flow
from p4d.errors import DatasetError

TERMS = Terms(
    terms_id="MPI-Sintel",
    text="MPI Sintel: the film is CC BY 3.0 (Blender Foundation); its page gives the data for "
    "research and states no licence to pass copies on, so none is assumed.",
    url="http://sintel.is.tue.mpg.de/",
    redistributable=False,
)
PASSES = ("clean", "final")
_FRAME = re.compile(r"frame_(\d{4})\.png")


class SintelReader:
    """Reads the folder with `training/clean` and `training/final`, or one that is `training`."""

    format = "sintel"
    title = "MPI Sintel"
    options: Sequence[Option] = (Option("fps", "24", "frames per second of the film, declared"),)

    def recognise(self, folder: Path) -> bool:
        """A folder with a pass whose first sequence begins with frame 1."""
        return any(
            (base / name / sequence / "frame_0001.png").is_file()
            for base in (folder / "training", folder)
            for name in PASSES
            for sequence in subfolders(base / name)[:1]
        )

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """`PASS/NAME` of every sequence."""
        base = _base(folder)
        found = [f"{name}/{sequence}" for name in PASSES for sequence in subfolders(base / name)]
        if not found:
            raise DatasetError(
                f"{shown(folder)} is no MPI Sintel: training/clean or training/final with a folder "
                "per sequence is expected"
            )
        return found

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """One pass of one sequence."""
        base, name = _base(folder), sequence.partition("/")[2]
        pictures = _pictures(base / sequence)
        numbers = sorted(pictures)
        problems: list[str] = []
        if missing := sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers)):
            problems.append(f"frame_{missing[0]:04d}.png and {len(missing) - 1} more are missing")
        height, width = _first_picture(pictures).shape[:2]
        K_t33, poses, valid = _cameras(base / "camdata_left" / name, numbers, problems)
        for part in ("depth", "flow"):
            if not (base / part / name).is_dir():
                problems.append(f"{part}/{name} is missing: no {part}")
        step_ns = 1e9 / number_option(self, options, "fps")
        frames = _Frames(base, name, pictures, numbers)
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"MPI Sintel, sequence {name}, pass {sequence.partition('/')[0]}",
            terms=TERMS,
            times_ns=np.rint((np.array(numbers) - 1) * step_ns).astype(np.int64),
            times="declared",
            size_px=(width, height),
            frame=frames.frame,
            K_t33=K_t33,
            world_T_cam_t44=poses,
            pose_valid_t=valid,
            scale="relative",
            exchange_group=f"sintel/{name}",
            notes=(
                "depth and poses are in units of the scene; depth beyond 1000 is sky",
                "flow: the inverse of the published forward flow, where that has one",
            ),
            problems=tuple(problems),
        )


@dataclass(frozen=True)
class _Frames:
    """Frames of a sequence by index."""

    base: Path
    name: str
    pictures: Mapping[int, Path]
    numbers: Sequence[int]

    def frame(self, index: int) -> CapturedFrame:
        number = self.numbers[index]
        rgb = read_rgb(self.pictures[number])
        problems: list[str] = []
        depth = flow = known = None
        if (self.base / "depth" / self.name).is_dir():
            try:
                depth = read_depth(self._path("depth", number, "dpt"))
            except DatasetError as error:
                problems.append(str(error))
        if number - 1 in self.pictures and (self.base / "flow" / self.name).is_dir():
            try:
                flow, known = self._backward(number)
            except DatasetError as error:
                problems.append(str(error))
        return CapturedFrame(
            rgb_hw3=rgb,
            z_depth_hw=depth,
            flow_px_hw2=flow,
            flow_valid_hw=known,
            problems=tuple(problems),
        )

    def _backward(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Flow from a frame to the one before it."""
        forward, usable = read_flow(self._path("flow", number - 1, "flo"))
        for mask in ("occlusions", "invalid"):  # 255 in a mask: no point of the next frame
            path = self._path(mask, number - 1, "png")
            if path.is_file():
                hidden = read_rgb(path).any(axis=-1)
                if hidden.shape != usable.shape:
                    raise DatasetError(
                        f"{shown(path)}: has another size than the flow; no flow for frame {number}"
                    )
                usable = usable & ~hidden
        return backward_flow(forward, usable)

    def _path(self, part: str, number: int, suffix: str) -> Path:
        return self.base / part / self.name / f"frame_{number:04d}.{suffix}"


def _base(folder: Path) -> Path:
    return folder / "training" if (folder / "training").is_dir() else folder


def _pictures(folder: Path) -> dict[int, Path]:
    try:
        found = {
            int(match[1]): path
            for path in folder.iterdir()
            if (match := _FRAME.fullmatch(path.name))
        }
    except OSError as error:
        raise DatasetError(f"{shown(folder)}: cannot be read: {error.strerror}") from error
    if not found:
        raise DatasetError(f"{shown(folder)}: no frame_0001.png is there")
    return dict(sorted(found.items()))


def _first_picture(pictures: Mapping[int, Path]) -> NDArray[np.uint8]:
    for path in pictures.values():
        try:
            return read_rgb(path)
        except DatasetError:
            continue
    raise DatasetError(f"none of the {len(pictures)} pictures can be read")


def _cameras(
    folder: Path, numbers: Sequence[int], problems: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.bool_] | None]:
    """K and pose per frame; intrinsics are needed for all frames, so a lost one takes its next."""
    if not folder.is_dir():
        problems.append(f"camdata_left/{folder.name} is missing: no cameras")
        return None, None, None
    cameras: list[tuple[NDArray[np.float64], NDArray[np.float64]] | None] = []
    for number in numbers:
        try:
            cameras.append(read_camera(folder / f"frame_{number:04d}.cam"))
        except DatasetError as error:
            problems.append(str(error))
            cameras.append(None)
    known = [camera for camera in cameras if camera is not None]
    if not known:
        return None, None, None
    valid = np.array([camera is not None for camera in cameras])
    filled = [camera or known[0] for camera in cameras]
    if not valid.all():
        spread = max(float(np.abs(camera[0] - known[0][0]).max()) for camera in known)
        if spread > 0:
            problems.append("intrinsics change over the sequence and some are lost: none are kept")
            return None, np.stack([pose for _, pose in filled]), valid
    return np.stack([K for K, _ in filled]), np.stack([pose for _, pose in filled]), valid
