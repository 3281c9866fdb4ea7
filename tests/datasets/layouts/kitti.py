"""KITTI's layouts of one drive through a street, each in the exact form of its archive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from tests.datasets.layouts import kitti_files as files
from tests.datasets.layouts.boxes import BoxView
from tests.datasets.layouts.run_lengths import compressed
from tests.datasets.layouts.street import STREET
from tests.datasets.png_files import write_flow_png, write_png

SCALE = 0.2
SIZE_PX = (248, 75)
FRAMES = 24
DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0009_sync"
LAT0_DEG, LON0_DEG, ALT0_M = 49.011212804408, 8.4228850417969, 112.83492279053
START = datetime(2011, 9, 26, 13, 4, 32, tzinfo=UTC)
WITHOUT_SCAN = (3, 4)
"""Numbers without a laser scan, as of 2011_09_26_drive_0009."""
FIRST_DEPTH, LAST_DEPTH = 5, FRAMES - 6
"""Accumulated depth needs eleven scans: it begins at frame 5 and ends five early."""


@dataclass(frozen=True)
class StreetDrive:
    """What a reader must find; poses of image_02 in the world of the first inertial pose."""

    folder: Path
    K: np.ndarray
    stamps_ns: np.ndarray
    world_T_imu_t44: np.ndarray
    world_T_cam_t44: np.ndarray
    views: tuple[BoxView, ...]


def plan(folder: Path, *, frames: int = FRAMES) -> StreetDrive:
    """The drive: 7 m/s along a gentle left turn, rolling and pitching a little."""
    jitter_ns = np.random.default_rng(9).integers(-4_000_000, 4_000_000, frames)
    stamps_ns = 964389445 + np.arange(frames) * 103_123_457 + jitter_ns
    cam_T_imu = mount()[1]
    poses = []
    for t in range(frames):
        _, pose = _imu(t)
        poses.append(pose)
    world_T_imu = np.stack(poses)
    world_T_cam = world_T_imu @ np.linalg.inv(cam_T_imu)
    K = projection("02")[0]
    views = tuple(STREET.view(K, world_T_cam[t], SIZE_PX, t * 0.1) for t in range(frames))
    return StreetDrive(folder, K, stamps_ns, world_T_imu, world_T_cam, views)


def projection(camera: str) -> tuple[np.ndarray, np.ndarray]:
    """K with pixel centres at i + 0.5, and the camera's place beside camera 0."""
    text = {"02": files.P_RECT_02, "03": files.P_RECT_03}[camera]
    P = files.numbers(files.scaled_projection(text, SCALE)).reshape(3, 4)
    cam_T_cam0 = np.eye(4)
    cam_T_cam0[:3, 3] = np.linalg.inv(P[:, :3]) @ P[:, 3]
    return P[:, :3] + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]], cam_T_cam0


def mount() -> tuple[np.ndarray, np.ndarray]:
    """cam_T_velo and cam_T_imu of image_02, by the development kit's formula."""
    rect = np.eye(4)
    rect[:3, :3] = files.numbers(files.R_RECT_00).reshape(3, 3)
    cam_T_velo = projection("02")[1] @ rect @ _rigid(files.VELO_TO_CAM)
    return cam_T_velo, cam_T_velo @ _rigid(files.IMU_TO_VELO)


def _rigid(text: str) -> np.ndarray:
    rows = dict(line.split(": ", 1) for line in text.splitlines())
    matrix = np.eye(4)
    matrix[:3, :3] = files.numbers(rows["R"]).reshape(3, 3)
    matrix[:3, 3] = files.numbers(rows["T"])
    return matrix


def _imu(t: int) -> tuple[str, np.ndarray]:
    """The packet of a frame, and the pose that it stands for."""
    time_s = 0.1 * t
    yaw = 0.06 * time_s
    pitch, roll = 0.004 * math.sin(3 * time_s), 0.006 * math.cos(2 * time_s)
    east, north, up = 7.0 * time_s, 0.5 * 7.0 * 0.06 * time_s**2, 0.01 * time_s
    scale = math.cos(math.radians(LAT0_DEG))
    mercator = math.log(math.tan(math.radians(90 + LAT0_DEG) / 2)) + north / (scale * 6378137.0)
    lat_deg = math.degrees(2 * math.atan(math.exp(mercator))) - 90
    lon_deg = LON0_DEG + math.degrees(east / (scale * 6378137.0))
    packet = files.packet(lat_deg, lon_deg, ALT0_M + up, roll, pitch, yaw)
    turn = _about(2, yaw) @ _about(1, pitch) @ _about(0, roll)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, (east, north, up)
    return packet, pose


def _about(axis: int, angle: float) -> np.ndarray:
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = math.cos(angle)
    matrix[a, b], matrix[b, a] = -math.sin(angle), math.sin(angle)
    return matrix


def write_raw(folder: Path, *, depth: str = "scans") -> StreetDrive:
    """`DATE/DRIVE` with calibration, pictures, stamps, oxts, and scans or accumulated depth."""
    drive = plan(folder)
    root = folder / DATE / DRIVE
    files.write_calibration(folder / DATE, SCALE)
    _write_pictures(root / "image_02" / "data", drive, "{:010d}.png")
    stamps = [_stamp(each) for each in drive.stamps_ns]
    for sensor in ("image_02", "oxts"):
        (root / sensor / "data").mkdir(parents=True, exist_ok=True)
        (root / sensor / "timestamps.txt").write_text("\n".join(stamps) + "\n")
    for t in range(FRAMES):
        (root / "oxts" / "data" / f"{t:010d}.txt").write_text(_imu(t)[0])
    if depth == "scans":
        _write_scans(root / "velodyne_points" / "data", drive, "{:010d}.bin", WITHOUT_SCAN)
    else:
        _write_depth(folder / "val" / DRIVE / "proj_depth" / "groundtruth" / "image_02", drive)
    return drive


def write_odometry(folder: Path) -> StreetDrive:
    """`sequences/00` and `poses/00.txt`: camera 0 in the first camera 0."""
    drive = plan(folder)
    root = folder / "sequences" / "00"
    _write_pictures(root / "image_2", drive, "{:06d}.png")
    _write_scans(root / "velodyne", drive, "{:06d}.bin", ())
    cam0_T_velo = np.linalg.inv(projection("02")[1]) @ mount()[0]
    projections = {"0": files.P_RECT_00, "1": files.P_RECT_00, "2": files.P_RECT_02,
                   "3": files.P_RECT_03}  # fmt: skip
    lines = [f"P{n}: {files.scaled_projection(P, SCALE)}" for n, P in projections.items()]
    lines.append("Tr: " + " ".join(f"{value:.12e}" for value in cam0_T_velo[:3].ravel()))
    (root / "calib.txt").write_text("\n".join(lines) + "\n")
    seconds = (drive.stamps_ns - drive.stamps_ns[0]) / 1e9
    (root / "times.txt").write_text("".join(f"{each:.6e}\n" for each in seconds))
    world_T_cam0 = drive.world_T_cam_t44 @ projection("02")[1]
    first = np.linalg.inv(world_T_cam0[0])
    poses = folder / "poses" / "00.txt"
    poses.parent.mkdir()
    rows = [" ".join(f"{v:.6e}" for v in (first @ each)[:3].ravel()) for each in world_T_cam0]
    poses.write_text("\n".join(rows) + "\n")
    return drive


def write_mots(folder: Path, *, form: str = "png", with_geometry: bool = True) -> StreetDrive:
    """The tracking benchmark's sequence 0002 with masks of MOTS in one of both forms."""
    drive = plan(folder)
    root = folder / "training"
    _write_pictures(root / "image_02" / "0002", drive, "{:06d}.png")
    if with_geometry:
        _write_scans(root / "velodyne" / "0002", drive, "{:06d}.bin", WITHOUT_SCAN)
        (root / "oxts").mkdir()
        (root / "oxts" / "0002.txt").write_text("".join(_imu(t)[0] for t in range(FRAMES)))
        _write_tracking_calibration(root / "calib" / "0002.txt")
    lines = []
    for t, view in enumerate(drive.views):
        ids = mots_ids(view)
        if form == "png":
            write_png(folder / "instances" / "0002" / f"{t:06d}.png", ids.astype(np.uint16))
        for each in sorted(set(ids.ravel().tolist()) - {0}):
            width, height = SIZE_PX
            lines.append(f"{t} {each} {each // 1000} {height} {width} {compressed(ids == each)}")
    if form == "txt":
        text = folder / "instances_txt" / "0002.txt"
        text.parent.mkdir()
        lines = lines[::-1]  # the trap: out of order
        text.write_text("\n".join(lines) + "\n")
    return drive


def mots_ids(view: BoxView) -> np.ndarray:
    """Ids of a frame, with a region that MOTS ignores."""
    ids = view.ids_hw.copy()
    corner = np.zeros(ids.shape, bool)
    corner[40:48, 2:12] = True
    ids[corner & (ids == 0)] = 10_000
    return ids


def write_flow(folder: Path, *, multiview: bool = True) -> StreetDrive:
    """Scene 000000: flow and disparity of frame 10, and the frames 0 to 20 around it."""
    drive = plan(folder, frames=21)
    root = folder / "training"
    numbers = range(21) if multiview else (10, 11)
    for t in numbers:
        _save(root / "image_2" / f"000000_{t:02d}.png", drive.views[t].rgb_hw3)
    flow, known, seen = drive.views[10].flow_to(drive.views[11])
    inside = np.abs(flow).max(-1) < 500
    write_flow_png(root / "flow_occ" / "000000_10.png", flow, known & inside)
    write_flow_png(root / "flow_noc" / "000000_10.png", flow, seen)
    left, right = projection("02"), projection("03")
    base_m = left[1][0, 3] - right[1][0, 3]
    z_m = drive.views[10].z_m_hw
    with np.errstate(divide="ignore"):
        disparity = np.where(z_m > 0, left[0][0, 0] * base_m / z_m, 0)
    sparse = np.random.default_rng(1).random(z_m.shape) < 0.5
    levels = np.where(sparse & (disparity < 255), np.rint(disparity * 256), 0)
    write_png(root / "disp_noc_0" / "000000_10.png", levels.astype(np.uint16))
    ids = drive.views[10].ids_hw
    cars = np.where(ids == 1005, 1, 0).astype(np.uint8)
    write_png(root / "obj_map" / "000000_10.png", cars)
    calibration = root / "calib_cam_to_cam" / "000000.txt"
    calibration.parent.mkdir()
    calibration.write_text(files.cam_to_cam(SCALE))
    return drive


def _write_tracking_calibration(path: Path) -> None:
    """Keys as the tracking benchmark has them: three of them without a colon."""
    velo, imu = _rigid(files.VELO_TO_CAM), _rigid(files.IMU_TO_VELO)

    def row(matrix: np.ndarray) -> str:
        return " ".join(f"{value:.12e}" for value in matrix[:3].ravel())

    path.parent.mkdir()
    path.write_text(
        f"P0: {files.scaled_projection(files.P_RECT_00, SCALE)}\n"
        f"P2: {files.scaled_projection(files.P_RECT_02, SCALE)}\n"
        f"R_rect {files.R_RECT_00}\nTr_velo_cam {row(velo)}\nTr_imu_velo {row(imu)}\n"
    )


def _write_pictures(folder: Path, drive: StreetDrive, name: str) -> None:
    for t, view in enumerate(drive.views):
        _save(folder / name.format(t), view.rgb_hw3)


def _save(path: Path, rgb_hw3: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb_hw3).save(path)


def _write_scans(folder: Path, drive: StreetDrive, name: str, missing: tuple[int, ...]) -> None:
    """Every third pixel's point in the axes of the laser, and some behind the car."""
    folder.mkdir(parents=True, exist_ok=True)
    cam_T_velo = mount()[0]
    for t, view in enumerate(drive.views):
        if t in missing:
            continue
        chosen = np.zeros(view.z_m_hw.shape, bool)
        chosen.ravel()[::3] = True
        world = view.points_hw3[chosen & (view.z_m_hw > 0)]
        world_T_velo = view.world_T_cam @ cam_T_velo
        velo = (world - world_T_velo[:3, 3]) @ np.linalg.inv(world_T_velo[:3, :3]).T
        behind = velo[::50] * (-1, 1, 1)
        points = np.vstack([velo, behind])
        reflectance = np.full((len(points), 1), 0.25)
        (folder / name.format(t)).write_bytes(
            np.hstack([points, reflectance]).astype("<f4").tobytes()
        )


def _write_depth(folder: Path, drive: StreetDrive) -> None:
    """16 bits, 256 to a metre, sparse; the first five and the last five frames have none."""
    for t in range(FIRST_DEPTH, LAST_DEPTH + 1):
        z_m = drive.views[t].z_m_hw
        sparse = np.random.default_rng(t).random(z_m.shape) < 0.4
        write_png(
            folder / f"{t:010d}.png", np.where(sparse, np.rint(z_m * 256), 0).astype(np.uint16)
        )


def _stamp(stamp_ns: int) -> str:
    seconds, rest = divmod(int(stamp_ns), 1_000_000_000)
    moment = datetime.fromtimestamp(START.timestamp() + seconds, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest:09d}"
