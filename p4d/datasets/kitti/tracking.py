"""KITTI MOTS: masks of cars and pedestrians on the sequences of the tracking benchmark.

    training/image_02/0002/000000.png   training/{calib,oxts}/0002.txt
    training/velodyne/0002/000000.bin
    instances/0002/000000.png           or instances_txt/0002.txt

The archives unpack side by side: `instances` lies beside `training` or in it. The n-th line of oxts
belongs to number n. No times are shipped: 10 Hz is declared. Id 10000 covers things that nobody
labelled; it is background here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject
from p4d.datasets.kitti.calibration import (
    affine,
    entry,
    read_calibration,
    rectification,
    rectified_camera,
)
from p4d.datasets.kitti.mots import (
    IGNORE_ID,
    MotsLine,
    category_of,
    draw_mots,
    read_mots_lines,
    read_mots_png,
)
from p4d.datasets.kitti.mount import POSE_SIGMA_M, CameraMount, CameraPoses, poses_of_packets
from p4d.datasets.kitti.oxts import COLUMNS
from p4d.datasets.kitti.sparse import DEPTH_SIGMA_RATIO, SparseDepth
from p4d.datasets.kitti.terms import KITTI
from p4d.datasets.kitti.times import RATE_HZ, declared_times
from p4d.datasets.number_table import numbers, read_lines
from p4d.datasets.numbered import frames_of, gaps, numbered_files, subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, some_of
from p4d.datasets.shown import shown
from p4d.errors import DatasetError


class KittiMotsReader:
    """Reads a folder with the pictures of the tracking benchmark and masks of MOTS."""

    format = "kitti_mots"
    title = "KITTI MOTS, with poses and scans of the tracking benchmark where they are there"
    options: Sequence[Option] = ()

    def recognise(self, folder: Path) -> bool:
        """A folder with `training/image_02` and masks in one of both forms."""
        return (folder / "training" / "image_02").is_dir() and any(
            place.is_dir() for place in _mask_places(folder)
        )

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Names of the sequences."""
        found = subfolders(folder / "training" / "image_02")
        masks = "instances/0002 or instances_txt/0002.txt"
        return some_of(found, folder, f"training/image_02/0002 in it, and {masks}")

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A sequence with its masks, and poses and depth where they are there."""
        root = folder / "training"
        frames = frames_of(root / "image_02" / sequence)
        order = list(frames)
        height, width = read_rgb(frames[order[0]]).shape[:2]
        problems = [
            f"image_02/{sequence}: frame {each} is missing; the others keep their times"
            for each in gaps(order)
        ]
        masks = _masks(folder, sequence, (height, width), problems)
        mount = _mount(root / "calib" / f"{sequence}.txt", problems)
        poses = _poses(root / "oxts" / f"{sequence}.txt", order, mount, problems)
        scans = root / "velodyne" / sequence
        depth = SparseDepth(
            scans=numbered_files(scans, (".bin",)) if scans.is_dir() else {},
            cam_T_velo=mount.cam_T_velo,
            K=mount.K,
            size_px=(width, height),
        )
        ids = masks.ids(frames)
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"KITTI MOTS, sequence {sequence}",
            terms=KITTI,
            times_ns=declared_times(order, RATE_HZ),
            times="declared",
            size_px=(width, height),
            frame=_TrackingFrames(frames, masks, depth).frame,
            K_t33=mount.K_of(len(order)),
            world_T_cam_t44=None if poses is None else poses.world_T_cam_t44,
            pose_valid_t=None if poses is None else poses.valid_t,
            objects=tuple(
                CapturedObject(id=each, name=category_of(each), category=category_of(each))
                for each in ids
            ),
            scale="metric",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            pose_sigma_m=POSE_SIGMA_M,
            up_known=poses is not None,
            notes=(depth.source, "regions that MOTS ignores (id 10000) are background"),
            problems=tuple(problems),
        )


@dataclass
class _Masks:
    """Masks of a sequence by frame: files of ids, or lines of run lengths."""

    size_hw: tuple[int, int]
    files: Mapping[int, Path] = field(default_factory=dict)
    text: Path | None = None
    lines: Mapping[int, Sequence[MotsLine]] = field(default_factory=dict)

    def ids(self, frames: Mapping[int, Path]) -> tuple[int, ...]:
        """Every object that a frame shows."""
        found = {line.id for lines in self.lines.values() for line in lines}
        for number in frames:
            if number in self.files:
                try:
                    found |= set(np.unique(read_mots_png(self.files[number])).tolist())
                except DatasetError:
                    continue  # named when the frame is read
        return tuple(sorted(found - {0, IGNORE_ID}))

    def of(self, number: int) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
        """Ids of a frame, or None, and what could not be read."""
        if self.text is not None:
            # The text form lists what is seen: a frame without a line shows nothing.
            ids, problems = draw_mots(self.text, self.lines.get(number, ()), self.size_hw)
        elif number in self.files:
            try:
                ids, problems = read_mots_png(self.files[number]), ()
            except DatasetError as error:
                return None, (f"{error}; the frame has no masks",)
        else:
            return None, ()
        return np.where(ids == IGNORE_ID, 0, ids).astype(np.int32), problems


class _TrackingFrames:
    """Pictures, masks and depth by position; all are found by number."""

    def __init__(self, frames: dict[int, Path], masks: _Masks, depth: SparseDepth) -> None:
        self._frames = list(frames.items())
        self._masks = masks
        self._depth = depth

    def frame(self, index: int) -> CapturedFrame:
        number, path = self._frames[index]
        rgb = read_rgb(path)
        ids, mask_problems = self._masks.of(number)
        z_m, depth_problems = self._depth.of(number)
        return CapturedFrame(
            rgb_hw3=rgb,
            z_depth_hw=z_m,
            instance_hw=ids,
            problems=(*mask_problems, *depth_problems),
        )


def _mask_places(folder: Path) -> list[Path]:
    return [
        folder / above / name
        for above in ("", "training")
        for name in ("instances", "instances_txt")
    ]


def _masks(folder: Path, sequence: str, size_hw: tuple[int, int], problems: list[str]) -> _Masks:
    for place in _mask_places(folder):
        if place.name == "instances" and (place / sequence).is_dir():
            return _Masks(size_hw, files=numbered_files(place / sequence, (".png",)))
        text = place / f"{sequence}.txt"
        if place.name == "instances_txt" and text.is_file():
            lines, wrong = read_mots_lines(text)
            problems += wrong
            by_frame: dict[int, list[MotsLine]] = defaultdict(list)
            for line in lines:
                by_frame[line.frame].append(line)
            return _Masks(size_hw, text=text, lines=by_frame)
    problems.append(
        f"{folder.name}: has neither instances/{sequence} nor instances_txt/{sequence}.txt; "
        "the sequence has no masks"
    )
    return _Masks(size_hw)


def _mount(path: Path, problems: list[str]) -> CameraMount:
    """What a file of the tracking benchmark gives: P2, R_rect, Tr_velo_cam, Tr_imu_velo."""
    try:
        found = read_calibration(path)
        rectified = rectified_camera(entry(path, found, ("P2",), (3, 4)), f"{shown(path)}: P2")
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no intrinsics, poses or depth")
        return CameraMount()
    try:
        rect = rectification(path, found, "R_rect", "R0_rect")
        cam_T_rect = rectified.cam_T_cam0 @ rect
        velo = entry(path, found, ("Tr_velo_cam", "Tr_velo_to_cam"), (3, 4))
        cam_T_velo = cam_T_rect @ affine(velo)
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no poses and no depth")
        return CameraMount(rectified.K)
    try:
        imu = entry(path, found, ("Tr_imu_velo", "Tr_imu_to_velo"), (3, 4))
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no poses")
        return CameraMount(rectified.K, cam_T_velo)
    return CameraMount(rectified.K, cam_T_velo, cam_T_velo @ affine(imu))


def _poses(
    path: Path, order: list[int], mount: CameraMount, problems: list[str]
) -> CameraPoses | None:
    """Poses of the camera, from one line per frame; None without measurements."""
    if mount.cam_T_imu is None or not path.is_file():
        return None
    try:
        lines = read_lines(path)
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no poses")
        return None
    packets: list[list[float] | None] = []
    for number in order:
        try:
            if number >= len(lines):
                raise DatasetError(f"{shown(path)}: ends with frame {len(lines) - 1}")
            packets.append(numbers(path, number + 1, lines[number], COLUMNS))
        except DatasetError as error:
            packets.append(None)
            problems.append(f"{error}; frame {number} has no pose")
    return poses_of_packets(packets, mount)
