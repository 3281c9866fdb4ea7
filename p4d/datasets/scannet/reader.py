"""Reader of ScanNet scenes: the exported folder, or the stream that it was exported from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject, Terms
from p4d.datasets.numbered import numbered_files
from p4d.datasets.pictures import read_depth_u16, read_palette_ids, read_rgb
from p4d.datasets.reader import Option, Options, number_option, option
from p4d.datasets.registration import Registration
from p4d.datasets.scannet.scene_text import (
    pinhole_of,
    read_matrix,
    read_names,
    read_pose,
    read_scene,
    rigid_matrix,
)
from p4d.datasets.scannet.sens import SensFile
from p4d.datasets.shown import shown
from p4d.errors import DatasetError
from p4d.geometry.cameras import inverse

TERMS = Terms(
    terms_id="ScanNet-ToS",
    text="ScanNet terms of use: for non-commercial research, after signing; copies may not be "
    "passed on.",
    url="http://kaldir.vc.in.tum.de/scannet/ScanNet_TOS.pdf",
    redistributable=False,
)
DEPTH_PER_M = 1000.0
DEPTH_SIGMA_RATIO = 0.01
POSE_SIGMA_M = 0.02  # of BundleFusion's trajectories
INSTANCES = ("instance-filt", "instance")
"""Folders of instance pictures, the cleaned ones first."""


class ScanNetReader:
    """Reads the folder of one scene."""

    format = "scannet"
    title = "ScanNet exports and .sens streams"
    options: Sequence[Option] = (
        Option("fps", "30", "frames per second, declared: the stamps of ScanNet are often 0"),
        Option(
            "extrinsics",
            "scene",
            "scene: depth is carried by colorToDepthExtrinsics of SCENE.txt where it has them; "
            "none: by the intrinsics alone",
        ),
    )

    def recognise(self, folder: Path) -> bool:
        """A folder with colour, poses and intrinsics, or with a stream."""
        parts = ("color", "pose", "intrinsic")
        return all((folder / part).is_dir() for part in parts) or _stream(folder) is not None

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """The folder is the one scene."""
        if not self.recognise(folder):
            raise DatasetError(
                f"{shown(folder)} is no ScanNet scene: color/, depth/, pose/ and intrinsic/ as "
                "SensorData.py exports them, or a .sens file, are expected"
            )
        return [folder.resolve().name]

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """The scene."""
        problems: list[str] = []
        exported = (folder / "color").is_dir()
        scan: _Exported | _Stream = (
            _Exported.of(folder, problems) if exported else _Stream.of(folder, problems)
        )
        scene = read_scene(folder / f"{sequence}.txt", problems)
        poses, valid = _poses(scan, problems)
        notes = ["poses: taken as those of the colour camera"]
        align = scene.get("axisAlignment")
        if align is not None:
            poses = align @ poses
            notes.append("world: turned by axisAlignment, so that z is up")
        depth_T_colour = self._depth_T_colour(scene, options)
        registration = _registration(scan, depth_T_colour, problems)
        if registration:
            by = "by both intrinsics" if depth_T_colour is None else "by colorToDepthExtrinsics"
            notes.append(f"depth: carried to the colour camera {by}")
        times_ns, times = scan.times(number_option(self, options, "fps"))
        objects, masks = _instances(folder, sequence, scan.numbers, problems)
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"ScanNet, scene {sequence}",
            terms=TERMS,
            times_ns=times_ns,
            times="measured" if times else "declared",
            size_px=scan.size_px,
            frame=_Frames(scan, registration, masks).frame,
            K_t33=np.repeat(scan.K_colour[None], len(scan.numbers), axis=0),
            world_T_cam_t44=poses,
            pose_valid_t=valid,
            objects=objects,
            up_known=align is not None,
            background="still",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            pose_sigma_m=POSE_SIGMA_M,
            notes=tuple(notes),
            problems=tuple(problems),
        )

    def _depth_T_colour(
        self, scene: Mapping[str, NDArray[np.float64]], options: Options
    ) -> NDArray[np.float64] | None:
        """What SCENE.txt states, unless the user has it left out.

        Its makers call colour and depth aligned (ScanNet, issue 92), users found that they are not
        (issues 24 and 101), and the folder cannot tell.
        """
        chosen = option(self, options, "extrinsics")
        if chosen not in ("scene", "none"):
            raise DatasetError(f"--set extrinsics={chosen[:40]}: expected scene or none")
        return scene.get("colorToDepthExtrinsics") if chosen == "scene" else None


@dataclass(frozen=True)
class _Exported:
    """Frames in folders, by number."""

    folder: Path
    pictures: Mapping[int, Path]
    numbers: tuple[int, ...]
    size_px: tuple[int, int]
    K_colour: NDArray[np.float64]

    @classmethod
    def of(cls, folder: Path, problems: list[str]) -> _Exported:
        pictures = numbered_files(folder / "color")
        if not pictures:
            raise DatasetError(f"{shown(folder)}/color holds no picture such as 0.jpg")
        numbers = tuple(pictures)
        path = folder / "intrinsic" / "intrinsic_color.txt"
        K = pinhole_of(read_matrix(path), shown(path))
        if len({b - a for a, b in itertools.pairwise(numbers)}) > 1:
            problems.append("color: numbers are not evenly spaced; times follow the numbers")
        return cls(folder, pictures, numbers, _first_size(pictures.values()), K)

    def pose(self, index: int) -> NDArray[np.float64] | None:
        return read_pose(self.folder / "pose" / f"{self.numbers[index]}.txt")

    def depth_camera(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if not (self.folder / "depth").is_dir():
            return None
        path = self.folder / "intrinsic" / "intrinsic_depth.txt"
        K = pinhole_of(read_matrix(path), shown(path))
        return K, inverse(self._extrinsic("color")) @ self._extrinsic("depth")

    def _extrinsic(self, name: str) -> NDArray[np.float64]:
        path = self.folder / "intrinsic" / f"extrinsic_{name}.txt"
        return rigid_matrix(read_matrix(path), shown(path)) if path.is_file() else np.eye(4)

    def times(self, fps: float) -> tuple[NDArray[np.int64], bool]:
        return np.rint(np.array(self.numbers) * (1e9 / fps)).astype(np.int64), False

    def colour(self, index: int) -> NDArray[np.uint8]:
        return read_rgb(self.pictures[self.numbers[index]])

    def depth_m(self, index: int) -> NDArray[np.float32]:
        path = self.folder / "depth" / f"{self.numbers[index]}.png"
        return read_depth_u16(path).astype(np.float32) / np.float32(DEPTH_PER_M)


@dataclass(frozen=True)
class _Stream:
    """Frames of a `.sens` file."""

    sens: SensFile
    K_colour: NDArray[np.float64]

    @classmethod
    def of(cls, folder: Path, problems: list[str]) -> _Stream:
        path = _stream(folder)
        assert path is not None  # the folder was recognised by it
        sens = SensFile.index(path)
        if not sens.frames:
            raise DatasetError(f"{shown(path)}: holds no whole frame")
        if sens.cut:
            problems.append(f"{path.name}: the stream is cut after {len(sens.frames)} frames")
        return cls(sens, pinhole_of(sens.K_colour, f"{path.name}: intrinsic_color"))

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(range(len(self.sens.frames)))

    @property
    def size_px(self) -> tuple[int, int]:
        return self.sens.colour_px

    def pose(self, index: int) -> NDArray[np.float64] | None:
        stored = self.sens.frames[index].world_T_cam
        if not np.isfinite(stored).all():
            return None
        return rigid_matrix(stored, f"frame {index} of the stream")

    def depth_camera(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        K = pinhole_of(self.sens.K_depth, "intrinsic_depth of the stream")
        colour = rigid_matrix(self.sens.extrinsic_colour, "extrinsic_color of the stream")
        depth = rigid_matrix(self.sens.extrinsic_depth, "extrinsic_depth of the stream")
        return K, inverse(colour) @ depth

    def times(self, fps: float) -> tuple[NDArray[np.int64], bool]:
        stamps = np.array([frame.colour_us for frame in self.sens.frames], np.int64) * 1000
        if len(stamps) > 1 and (np.diff(stamps) > 0).all():
            return stamps, True
        return np.rint(np.arange(len(stamps)) * (1e9 / fps)).astype(np.int64), False

    def colour(self, index: int) -> NDArray[np.uint8]:
        return self.sens.colour(index)

    def depth_m(self, index: int) -> NDArray[np.float32]:
        return self.sens.depth_m(index)


@dataclass(frozen=True)
class _Frames:
    """Frames of a scene by index."""

    scan: _Exported | _Stream
    registration: Registration | None
    masks: Mapping[int, Path]

    def frame(self, index: int) -> CapturedFrame:
        rgb = self.scan.colour(index)
        problems: list[str] = []
        depth = instance = None
        if self.registration is not None:
            try:
                depth = self.registration.depth(self.scan.depth_m(index))
            except DatasetError as error:
                problems.append(str(error))
        path = self.masks.get(self.scan.numbers[index])
        if path is not None:
            try:
                instance = read_palette_ids(path).astype(np.int32)
            except DatasetError as error:
                problems.append(str(error))
        return CapturedFrame(
            rgb_hw3=rgb, z_depth_hw=depth, instance_hw=instance, problems=tuple(problems)
        )


def _poses(
    scan: _Exported | _Stream, problems: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`world_T_cam` of every frame, and whether it is known."""
    found: list[NDArray[np.float64] | None] = []
    for index in range(len(scan.numbers)):
        try:
            found.append(scan.pose(index))
        except DatasetError as error:
            problems.append(str(error))
            found.append(None)
    valid = np.array([pose is not None for pose in found], bool)
    if lost := int((~valid).sum()):
        problems.append(f"{lost} of {len(found)} frames have no pose: tracking was lost")
    return np.stack([np.eye(4) if pose is None else pose for pose in found]), valid


def _registration(
    scan: _Exported | _Stream, depth_T_colour: NDArray[np.float64] | None, problems: list[str]
) -> Registration | None:
    """The way of depth to the colour camera; `depth_T_colour` of SCENE.txt goes before."""
    try:
        camera = scan.depth_camera()
    except DatasetError as error:
        problems.append(f"{error}: no depth")
        return None
    if camera is None:
        problems.append("depth/ is missing: no depth")
        return None
    K, colour_T_depth = camera
    if depth_T_colour is not None:
        colour_T_depth = inverse(depth_T_colour)
    return Registration(K, scan.K_colour, colour_T_depth, scan.size_px)


def _instances(
    folder: Path, sequence: str, numbers: Sequence[int], problems: list[str]
) -> tuple[tuple[CapturedObject, ...], Mapping[int, Path]]:
    """The objects of a scene, which all stand still, and the picture of ids of each frame."""
    place = next((folder / name for name in INSTANCES if (folder / name).is_dir()), None)
    if place is None:
        return (), {}
    masks = numbered_files(place, (".png",))
    names = read_names(folder / f"{sequence}.aggregation.json", problems)
    ids: set[int] = set()
    for number in numbers:
        if number in masks:
            try:
                ids |= set(np.unique(read_palette_ids(masks[number])).tolist())
            except DatasetError:
                continue  # the frame names it when it is read
    return (
        tuple(
            CapturedObject(id=each, name=names.get(each, ""), static=True)
            for each in sorted(ids - {0})
        ),
        masks,
    )


def _stream(folder: Path) -> Path | None:
    """The stream of a folder, named as the folder is, or the only one."""
    named = folder / f"{folder.resolve().name}.sens"
    if named.is_file():
        return named
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".sens")
    except OSError:
        return None
    return found[0] if len(found) == 1 and found[0].is_file() else None


def _first_size(paths: Iterable[Path]) -> tuple[int, int]:
    """Width and height of the first picture that can be read.

    Raises:
        DatasetError: none can be read.
    """
    for path in paths:
        try:
            height, width = read_rgb(path).shape[:2]
        except DatasetError:
            continue
        return width, height
    raise DatasetError("none of the pictures of color/ can be read")
