"""A scene as Kubric's workers write it (kubric/file_io.py), and the truth behind it."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT, FRAMES = 48, 32, 12
FOCAL_MM, SENSOR_MM = 35.0, 32.0
BACKGROUND = 1e10
"""Kubric's depth where no surface is."""


@dataclass(frozen=True)
class MoviScene:
    """What a reader must find; poses in p4d's conventions."""

    folder: Path
    fx_px: float
    z_m_thw: np.ndarray
    instance_thw: np.ndarray
    world_T_cam_t44: np.ndarray
    world_T_obj_kt44: np.ndarray
    size_m: tuple[tuple[float, float, float], ...]


def write_movi(
    folder: Path, *, seed: int = 0, fps: int | None = 12, frames: int = FRAMES
) -> MoviScene:
    """Write a scene of two boxes in front of a slanted wall; a corner of it shows no surface."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    fx = WIDTH * FOCAL_MM / SENSOR_MM
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    stretch = np.sqrt(1 + ((u - WIDTH / 2) / fx) ** 2 + ((v - HEIGHT / 2) / fx) ** 2)
    z_m, ids = [], []
    for t in range(frames):
        wall = 6.0 + 0.02 * u - 0.01 * v + 0.05 * t
        instance = np.zeros((HEIGHT, WIDTH), np.uint8)
        instance[8:20, 6 + t : 16 + t] = 1
        instance[12:24, 28:40] = 2
        z = np.where(instance == 1, 3.0 + 0.01 * v, np.where(instance == 2, 4.0, wall))
        z[:3, :5] = 0.0  # nothing there
        z_m.append(z.astype(np.float32))
        ids.append(instance)
        distance = np.where(z > 0, z * stretch, BACKGROUND).astype(np.float32)
        grey = (40 + 12 * instance[..., None] + 3 * t + 7 * seed + (u + v)[..., None]).astype(
            np.uint8
        )
        rgba = np.concatenate([np.repeat(grey, 3, axis=-1), np.full_like(grey, 255)], axis=-1)
        Image.fromarray(rgba, "RGBA").save(folder / f"rgba_{t:05d}.png")
        Image.fromarray(distance).save(folder / f"depth_{t:05d}.tiff")
        mask = Image.fromarray(instance, "P")
        mask.putpalette([0, 0, 0, 220, 40, 40, 30, 200, 90] + [0] * 759)
        mask.save(folder / f"segmentation_{t:05d}.png")
    cameras = [_camera(t) for t in range(frames)]
    boxes = [_box(rng, k, frames) for k in range(2)]
    meta = {
        "metadata": {
            "resolution": [WIDTH, HEIGHT],
            "num_frames": frames,
            "num_instances": 2,
            **({"frame_rate": fps} if fps else {}),
        },
        "camera": {
            "focal_length": FOCAL_MM,
            "sensor_width": SENSOR_MM,
            "field_of_view": 2 * np.arctan2(SENSOR_MM / 2, FOCAL_MM),  # radians
            "positions": [camera[:3, 3].tolist() for camera in cameras],
            "quaternions": [_wxyz(camera[:3, :3] @ np.diag([1, -1, -1])) for camera in cameras],
        },
        "instances": [box[2] for box in boxes],
    }
    (folder / "metadata.json").write_text(json.dumps(meta))
    (folder / "data_ranges.json").write_text("{}")
    (folder / "events.json").write_text('{"collisions": []}')
    return MoviScene(
        folder=folder,
        fx_px=fx,
        z_m_thw=np.stack(z_m),
        instance_thw=np.stack(ids),
        world_T_cam_t44=np.stack(cameras),
        world_T_obj_kt44=np.stack([box[0] for box in boxes]),
        size_m=tuple(box[1] for box in boxes),
    )


def _camera(t: int) -> np.ndarray:
    """world_T_cam in OpenCV's axes: level, turning about the vertical."""
    pose = np.eye(4)
    forward = np.array([np.cos(0.02 * t), np.sin(0.02 * t), 0.0])
    down = np.array([0.0, 0.0, -1.0])
    pose[:3, :3] = np.stack([np.cross(down, forward), down, forward], axis=-1)
    pose[:3, 3] = (-4.0 + 0.1 * t, 0.5, 1.5)
    return pose


def _box(
    rng: np.random.Generator, k: int, frames: int
) -> tuple[np.ndarray, tuple[float, ...], dict]:
    """Poses of the box's centre, its size and its entry; its own origin is not its centre."""
    size = np.array([0.4, 0.6, 0.9]) + 0.1 * k
    off_centre = np.array([0.05, -0.02, 0.1])
    lower, upper = off_centre - size / 2, off_centre + size / 2
    local = np.array(list(itertools.product(*zip(lower, upper, strict=True))))
    poses, positions, quaternions, corners = [], [], [], []
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    for t in range(frames):
        turn = Rotation.from_rotvec(axis * 0.1 * t * (1 - k)).as_matrix()
        position = np.array([1.0 + k, 0.05 * t * (1 - k), 0.5])
        pose = np.eye(4)
        pose[:3, :3] = turn
        pose[:3, 3] = position + turn @ off_centre
        poses.append(pose)
        positions.append(position.tolist())
        quaternions.append(_wxyz(turn))
        corners.append((position + local @ turn.T).tolist())
    entry = {
        "asset_id": "cube",
        "is_dynamic": k == 0,
        "positions": positions,
        "quaternions": quaternions,
        "bboxes_3d": corners,
        "visibility": [120] * frames,
    }
    return np.stack(poses), tuple(size.tolist()), entry


def _wxyz(rotation: np.ndarray) -> list[float]:
    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return [w, x, y, z]
