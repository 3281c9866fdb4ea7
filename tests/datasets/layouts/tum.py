"""A sequence in the TUM layout, with the traps of real ones, and the truth behind it.

Four pictures, five depth pictures and eight poses at 16x12 px. Depth of the same place in the list
belongs to another picture; one depth is exactly 20 ms off, which is no pair; the lists have a
comment, tabs and commas; the trajectory has a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from tests.datasets.layouts.lenses import FREIBURG3, Lens
from tests.datasets.layouts.room import camera_at, room

WIDTH, HEIGHT = 16, 12
CAMERA = "20,21,7.5,5.5"
"""Of `--set camera=`, in OpenCV's pixels."""
STAMPS_NS = tuple(1305031102_175304000 + k * 66_666_000 for k in range(4))
DEPTH_NS = (
    STAMPS_NS[0] - 12_000_000,  # nearer to nothing than the next one is
    STAMPS_NS[0] + 4_000_000,
    STAMPS_NS[1] - 7_000_000,
    STAMPS_NS[2] + 20_000_000,  # exactly 20 ms: no pair
    STAMPS_NS[3] + 1_000_000,
)
DEPTH_OF = {0: 1, 1: 2, 3: 4}
"""Which depth belongs to which picture."""
AXIS = np.array([0.0, 0.6, 0.8])


@dataclass(frozen=True)
class TumSequence:
    """What a reader must find."""

    folder: Path
    depth_u16_nhw: np.ndarray
    world_T_cam_t44: np.ndarray
    pose_known_t: tuple[bool, ...]


def write_tum(folder: Path) -> TumSequence:
    """Write the sequence."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    rgb_lines, depth_lines = ["# color images", "# timestamp filename"], ["# depth maps"]
    for k, stamp in enumerate(STAMPS_NS):
        Image.fromarray(picture(k)).save(folder / "rgb" / f"{seconds(stamp)}.png")
        separator = "\t" if k == 1 else " "
        rgb_lines.append(f"{seconds(stamp)}{separator}rgb/{seconds(stamp)}.png")
    rng = np.random.default_rng(3)
    depth = rng.integers(2000, 20000, (len(DEPTH_NS), HEIGHT, WIDTH)).astype(np.uint16)
    depth[:, 0, 0] = 6170  # 1.234 m
    depth[:, 1, 2] = 0  # no value
    for k, stamp in enumerate(DEPTH_NS):
        Image.fromarray(depth[k]).save(folder / "depth" / f"{seconds(stamp)}.png")
        separator = "," if k == 2 else " "
        depth_lines.append(f"{seconds(stamp)}{separator}depth/{seconds(stamp)}.png")
    (folder / "rgb.txt").write_text("\n".join(rgb_lines) + "\n")
    (folder / "depth.txt").write_text("\n".join(depth_lines) + "\n")
    stamps = [STAMPS_NS[0] + at * 10_000_000 for at in (-2, -1, 0, 1, 6, 7, 8)]
    stamps.append(STAMPS_NS[3] - 5_000_000)  # behind a gap: the fourth picture is 5 ms later
    lines = ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"]
    for stamp in stamps:
        pose = pose_at(stamp)
        # Its sign is free: q and -q are one rotation.
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat() * (-1) ** (stamp // 10_000_000)
        numbers = " ".join(f"{value:.12f}" for value in (*pose[:3, 3], *quaternion))
        lines.append(f"{seconds(stamp)} {numbers}")
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    poses = [pose_at(stamp) for stamp in STAMPS_NS]
    poses[3] = pose_at(stamps[-1])  # the nearest, as nothing is extrapolated
    return TumSequence(
        folder=folder,
        depth_u16_nhw=depth,
        world_T_cam_t44=np.stack(poses),
        pose_known_t=(True, True, False, True),
    )


def write_long_tum(folder: Path, *, frames: int = 27, lens: Lens = FREIBURG3) -> TumSequence:
    """Write a sequence of 12 pictures a second: a render of a room through a lens.

    Depth is registered to colour and its list begins three pictures earlier, so that pairs by the
    place in the list are three frames off.
    """
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    scene = room(moving=lens.moving)
    rays, K = lens.rays(), lens.K
    lists: dict[str, list[str]] = {"rgb": [], "depth": [], "groundtruth": []}
    levels = []
    for k in range(-3, frames):
        time_s = k / 12
        stamp = STAMPS_NS[0] + round(time_s * 1e9)
        view = scene.view(K, camera_at(time_s), (640, 480), time_s, rays_hw3=rays)
        rgb, depth = f"rgb/{seconds(stamp)}.png", f"depth/{seconds(stamp + 2_000_000)}.png"
        levels.append(np.rint(view.z_m_hw * 5000).astype(np.uint16))
        levels[-1][100:104, 200:230] = 0  # no value
        Image.fromarray(levels[-1]).save(folder / depth, compress_level=1)
        lists["depth"].append(f"{seconds(stamp + 2_000_000)} {depth}")
        if k >= 0:
            Image.fromarray(view.rgb_hw3).save(folder / rgb, compress_level=1)
            lists["rgb"].append(f"{seconds(stamp)} {rgb}")
    for at in range(-20, frames * 9):
        pose = lens.tracked(camera_at(at * 0.01))
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        numbers = " ".join(f"{value:.6f}" for value in (*pose[:3, 3], *quaternion))
        lists["groundtruth"].append(f"{seconds(STAMPS_NS[0] + at * 10_000_000)} {numbers}")
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    poses = np.stack([camera_at(k / 12) for k in range(frames)])
    return TumSequence(folder, np.stack(levels[3:]), poses, (True,) * frames)


def picture(k: int) -> np.ndarray:
    """The picture of a frame: one grey level, so that it can be told after encoding."""
    return np.full((HEIGHT, WIDTH, 3), 40 + 50 * k, np.uint8)


def pose_at(stamp_ns: int) -> np.ndarray:
    """The camera at an instant: straight on, turning at a constant rate."""
    s = (stamp_ns - STAMPS_NS[0]) * 1e-9
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(AXIS * (0.4 + 1.5 * s)).as_matrix()
    pose[:3, 3] = (1.0 + 0.5 * s, -0.25 * s, 1.5)
    return pose


def seconds(stamp_ns: int) -> str:
    """A stamp as the lists have it: seconds with six decimals."""
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000 // 1000:06d}"
