"""KITTI's raw recordings: pictures, stamps, inertial poses and laser scans of a drive.

    2011_09_26/calib_{cam_to_cam,velo_to_cam,imu_to_velo}.txt
    2011_09_26/2011_09_26_drive_0001_sync/{image_02,oxts,velodyne_points}/{timestamps.txt,data/}
    {train,val}/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png

Sensors are paired by number, as synchronised: some drives lack scans, and depth begins at frame 5.
The n-th line of `timestamps.txt` belongs to number n. The world is east, north, up from the first
pose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from p4d.datasets.capture import Capture, CapturedFrame
from p4d.datasets.kitti.calibration import (
    entry,
    read_calibration,
    rectification,
    rectified_camera,
    rigid,
)
from p4d.datasets.kitti.mount import POSE_SIGMA_M, CameraMount, CameraPoses, poses_of_packets
from p4d.datasets.kitti.oxts import COLUMNS
from p4d.datasets.kitti.sparse import DEPTH_SIGMA_RATIO, SparseDepth
from p4d.datasets.kitti.terms import KITTI
from p4d.datasets.kitti.times import read_stamps, times_of_frames
from p4d.datasets.number_table import numbers, read_lines
from p4d.datasets.numbered import frames_of, gaps, numbered_files, subfolders
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options, option, some_of
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

_DATE = re.compile(r"\d{4}_\d{2}_\d{2}")
_DRIVE = re.compile(r"(\d{4}_\d{2}_\d{2})_drive_\d{4}_sync")
_CAMERAS = ("image_00", "image_01", "image_02", "image_03")


class KittiRawReader:
    """Reads a folder of dates, each with its calibration and drives."""

    format = "kitti_raw"
    title = "KITTI raw recordings, with KITTI's depth where it lies beside them"
    options: Sequence[Option] = (
        Option("camera", "image_02", "image_00 to image_03; 02 and 03 are in colour"),
    )

    def recognise(self, folder: Path) -> bool:
        """A folder with a date that has a calibration or a drive."""
        return bool(_drives(folder))

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Drives, as `DATE/DRIVE`."""
        return some_of(
            _drives(folder),
            folder,
            "DATE/DATE_drive_NNNN_sync/image_02 in it, as KITTI's archives unpack (drives "
            "`extract` are not rectified: not read)",
        )

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A drive, seen by one camera."""
        camera = option(self, options, "camera")
        if camera not in _CAMERAS:
            raise DatasetError(f"--set camera={camera}: expected one of {', '.join(_CAMERAS)}")
        drive = folder / sequence
        frames = frames_of(drive / camera / "data")
        order = list(frames)
        height, width = read_rgb(frames[order[0]]).shape[:2]
        problems = [
            f"{drive.name}/{camera}: frame {each} is missing; the others keep their times"
            for each in gaps(order)
        ]
        mount = _mount(drive.parent, camera, problems)
        poses = _poses(drive, order, mount, problems)
        times_ns, times = times_of_frames(
            drive / camera / "timestamps.txt", read_stamps, order, problems
        )
        depth = _depth(folder, drive, camera, (width, height), mount, problems)
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"KITTI raw, {drive.name}, {camera}",
            terms=KITTI,
            times_ns=times_ns,
            times=times,
            size_px=(width, height),
            frame=_DriveFrames(frames, depth).frame,
            K_t33=mount.K_of(len(order)),
            world_T_cam_t44=None if poses is None else poses.world_T_cam_t44,
            pose_valid_t=None if poses is None else poses.valid_t,
            scale="metric",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            pose_sigma_m=POSE_SIGMA_M,
            up_known=poses is not None,
            exchange_group=drive.name.removesuffix("_sync"),
            notes=(depth.source, "world: east, north, up, from the first inertial pose"),
            problems=tuple(problems),
        )


class _DriveFrames:
    """Pictures and depth by position; both are found by the number of their files."""

    def __init__(self, frames: dict[int, Path], depth: SparseDepth) -> None:
        self._frames = list(frames.items())
        self._depth = depth

    def frame(self, index: int) -> CapturedFrame:
        number, path = self._frames[index]
        z_m, problems = self._depth.of(number)
        return CapturedFrame(rgb_hw3=read_rgb(path), z_depth_hw=z_m, problems=problems)


def _drives(folder: Path) -> list[str]:
    return [
        f"{date}/{drive}"
        for date in subfolders(folder)
        if _DATE.fullmatch(date)
        for drive in subfolders(folder / date)
        if _DRIVE.fullmatch(drive)
        and any((folder / date / drive / camera).is_dir() for camera in _CAMERAS)
    ]


def _mount(date: Path, camera: str, problems: list[str]) -> CameraMount:
    """What the three files of calibration give; without one of them, what the others give."""
    number = camera[-2:]
    path = date / "calib_cam_to_cam.txt"
    try:
        found = read_calibration(path)
        key = f"P_rect_{number}"
        rectified = rectified_camera(entry(path, found, (key,), (3, 4)), f"{shown(path)}: {key}")
        rect = rectification(path, found, "R_rect_00")
    except DatasetError as error:
        problems.append(f"{error}; the drive has no intrinsics, poses or projected scans")
        return CameraMount()
    cam_T_rect = rectified.cam_T_cam0 @ rect
    try:
        path = date / "calib_velo_to_cam.txt"
        cam_T_velo = cam_T_rect @ rigid(path, read_calibration(path), "R", "T")
    except DatasetError as error:
        problems.append(f"{error}; the drive has no poses and no projected scans")
        return CameraMount(rectified.K)
    try:
        path = date / "calib_imu_to_velo.txt"
        cam_T_imu = cam_T_velo @ rigid(path, read_calibration(path), "R", "T")
    except DatasetError as error:
        problems.append(f"{error}; the drive has no poses")
        return CameraMount(rectified.K, cam_T_velo)
    return CameraMount(rectified.K, cam_T_velo, cam_T_imu)


def _poses(
    drive: Path, order: list[int], mount: CameraMount, problems: list[str]
) -> CameraPoses | None:
    """Poses of the camera, from one packet per frame."""
    if mount.cam_T_imu is None:
        return None
    packets: list[list[float] | None] = []
    lost: list[str] = []
    for number in order:
        path = drive / "oxts" / "data" / f"{number:010d}.txt"
        try:
            lines = read_lines(path)
            packets.append(numbers(path, 1, lines[0] if lines else "", COLUMNS))
        except DatasetError as error:
            packets.append(None)
            lost.append(str(error))
    if len(lost) == len(order):
        problems.append(f"{lost[0]}; the drive has no poses")
    else:
        problems += [f"{each}; the frame has no pose" for each in lost]
    return poses_of_packets(packets, mount)


def _depth(
    folder: Path,
    drive: Path,
    camera: str,
    size_px: tuple[int, int],
    mount: CameraMount,
    problems: list[str],
) -> SparseDepth:
    """KITTI's accumulated depth, wherever its archive was unpacked, or else the scans."""
    tail = Path("proj_depth", "groundtruth", camera)
    places = [drive / tail] + [
        folder / above / split / drive.name / tail
        for above in ("", "data_depth_annotated")
        for split in ("train", "val")
    ]
    found = next((place for place in places if place.is_dir()), None)
    if found is not None:
        return SparseDepth(maps=numbered_files(found, (".png",)))
    scans = drive / "velodyne_points" / "data"
    if not scans.is_dir():
        return SparseDepth()
    files = numbered_files(scans, (".bin",))
    if not files:
        problems.append(f"{shown(scans)}: holds no scans; the drive has no depth")
    return SparseDepth(scans=files, cam_T_velo=mount.cam_T_velo, K=mount.K, size_px=size_px)
