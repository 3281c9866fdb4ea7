"""KITTI's odometry benchmark: sequences with calibration, times, and poses of the first eleven.

    sequences/00/{image_2,image_0,velodyne}/000000.*   sequences/00/{calib,times}.txt   poses/00.txt

The n-th line of times and poses belongs to number n. Poses are of camera 0 in the first camera 0;
image_2 stands 6 cm beside it. The world is that camera, so what is up is not known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame
from p4d.datasets.kitti.calibration import (
    affine,
    entry,
    read_calibration,
    rectified_camera,
)
from p4d.datasets.kitti.mount import POSE_SIGMA_M, CameraPoses, camera_poses
from p4d.datasets.kitti.sparse import DEPTH_SIGMA_RATIO, SparseDepth
from p4d.datasets.kitti.terms import KITTI
from p4d.datasets.kitti.times import read_seconds, times_of_frames
from p4d.datasets.number_table import read_numbers
from p4d.datasets.numbered import frames_of, gaps, numbered_files, subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, option, some_of
from p4d.datasets.rotations import MAX_RESIDUE
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

_CAMERAS = ("image_2", "image_3", "image_0", "image_1")


DRIVES = {
    "00": "2011_10_03_drive_0027",
    "01": "2011_10_03_drive_0042",
    "02": "2011_10_03_drive_0034",
    "03": "2011_09_26_drive_0067",
    "04": "2011_09_30_drive_0016",
    "05": "2011_09_30_drive_0018",
    "06": "2011_09_30_drive_0020",
    "07": "2011_09_30_drive_0027",
    "08": "2011_09_30_drive_0028",
    "09": "2011_09_30_drive_0033",
    "10": "2011_09_30_drive_0034",
}
"""The raw drive that a sequence was cut from (the development kit's readme)."""


class KittiOdometryReader:
    """Reads a root with `sequences` and, for some of them, `poses`."""

    format = "kitti_odometry"
    title = "KITTI odometry benchmark"
    options: Sequence[Option] = (
        Option("camera", "", "image_0 to image_3; default: image_2, or else the first there is"),
    )

    def recognise(self, folder: Path) -> bool:
        """A folder whose sequences have a calibration and a camera."""
        return any(
            (folder / "sequences" / name / "calib.txt").is_file()
            and any((folder / "sequences" / name / camera).is_dir() for camera in _CAMERAS)
            for name in subfolders(folder / "sequences")
        )

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Names of the sequences that have pictures."""
        found = [
            name
            for name in subfolders(folder / "sequences")
            if any((folder / "sequences" / name / camera).is_dir() for camera in _CAMERAS)
        ]
        return some_of(found, folder, "sequences/00/image_2 in it")

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A sequence, seen by one camera."""
        root = folder / "sequences" / sequence
        camera = option(self, options, "camera") or next(
            (each for each in _CAMERAS if (root / each).is_dir()), _CAMERAS[0]
        )
        if camera not in _CAMERAS:
            raise DatasetError(f"--set camera={camera}: expected one of {', '.join(_CAMERAS)}")
        frames = frames_of(root / camera)
        order = list(frames)
        size_px = read_rgb(frames[order[0]]).shape[1::-1]
        problems = [
            f"{sequence}/{camera}: frame {each} is missing; the others keep their times"
            for each in gaps(order)
        ]
        K, cam_T_cam0, cam_T_velo = _calibration(root / "calib.txt", camera, problems)
        poses = _poses(folder / "poses" / f"{sequence}.txt", order, cam_T_cam0, problems)
        times_ns, times = times_of_frames(root / "times.txt", read_seconds, order, problems)
        scans = root / "velodyne"
        depth = SparseDepth(
            scans=numbered_files(scans, (".bin",)) if scans.is_dir() else {},
            cam_T_velo=cam_T_velo,
            K=K,
            size_px=(size_px[0], size_px[1]),
        )
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"KITTI odometry, sequence {sequence}, {camera}",
            terms=KITTI,
            times_ns=times_ns,
            times=times,
            size_px=(size_px[0], size_px[1]),
            frame=lambda index: _frame(order[index], frames, depth),
            K_t33=None if K is None else np.repeat(K[None], len(order), axis=0),
            world_T_cam_t44=None if poses is None else poses.world_T_cam_t44,
            pose_valid_t=None if poses is None else poses.valid_t,
            scale="metric",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            pose_sigma_m=POSE_SIGMA_M,
            up_known=False,
            exchange_group=DRIVES.get(sequence),
            notes=(depth.source, "world: the first left camera, whose y axis points down"),
            problems=tuple(problems),
        )


def _frame(number: int, frames: dict[int, Path], depth: SparseDepth) -> CapturedFrame:
    z_m, problems = depth.of(number)
    return CapturedFrame(rgb_hw3=read_rgb(frames[number]), z_depth_hw=z_m, problems=problems)


def _calibration(
    path: Path, camera: str, problems: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """K, cam_T_cam0 and cam_T_velo; None for what the file does not give."""
    key = f"P{camera[-1]}"
    try:
        found = read_calibration(path)
        rectified = rectified_camera(entry(path, found, (key,), (3, 4)), f"{shown(path)}: {key}")
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no intrinsics, poses or depth")
        return None, None, None
    try:
        cam0_T_velo = affine(entry(path, found, ("Tr", "Tr_velo_to_cam"), (3, 4)))
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no depth")
        return rectified.K, rectified.cam_T_cam0, None
    return rectified.K, rectified.cam_T_cam0, rectified.cam_T_cam0 @ cam0_T_velo


def _poses(
    path: Path, order: list[int], cam_T_cam0: NDArray[np.float64] | None, problems: list[str]
) -> CameraPoses | None:
    """Poses of the camera; None without a file (sequences 11 to 21)."""
    if cam_T_cam0 is None or not path.is_file():
        return None
    try:
        table = read_numbers(path, 12).reshape(-1, 3, 4)
    except DatasetError as error:
        problems.append(f"{error}; the sequence has no poses")
        return None
    rotations = table[:, :, :3]
    residue = np.abs(rotations @ rotations.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2), initial=0)
    usable = (residue <= MAX_RESIDUE) & (np.linalg.det(rotations) > 0)
    problems += [
        f"{shown(path)}:{at + 1}: the matrix is no rotation; the frame has no pose"
        for at in np.flatnonzero(~usable)
    ]
    cam0_T_cam = np.linalg.inv(cam_T_cam0)
    poses = [
        affine(table[number]) @ cam0_T_cam if number < len(table) and usable[number] else None
        for number in order
    ]
    if lost := [number for number in order if number >= len(table)]:
        problems.append(
            f"{shown(path)}: ends with frame {len(table) - 1}; {len(lost)} frame(s) have no pose"
        )
    return camera_poses(poses)
